// What every client is told: where the node is, which key it shows, what it deploys.
import { readFileSync } from "node:fs";
import WebSocket from "ws";

export const url = process.env.BULWARK_URL;
export const key = process.env.BULWARK_KEY;
export const socketUrl = url.replace(/^http/, "ws");
export const account = process.env.ACCOUNT_KEY;
export const { abi, bytecode } = JSON.parse(readFileSync(process.env.CONTRACT, "utf8"));
export const headers = { Authorization: `Bearer ${key}` };

// A WebSocket that shows the key, for clients that only take a class.
export class KeyedWebSocket extends WebSocket {
  constructor(address, protocols) {
    super(address, protocols, { headers });
  }
}
