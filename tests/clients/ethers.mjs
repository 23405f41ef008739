// ethers 6: deploy, write, read, filter by HTTP; subscribe by WebSocket.
import { Contract, ContractFactory, FetchRequest, JsonRpcProvider, Wallet, WebSocketProvider } from "ethers";
import { abi, account, bytecode, headers, KeyedWebSocket, socketUrl, url } from "./alliance.mjs";
import { tell, within } from "./telling.mjs";

const request = new FetchRequest(url);
request.setHeader("Authorization", headers.Authorization);
const provider = new JsonRpcProvider(request, undefined, { polling: true, pollingInterval: 200 });
const wallet = new Wallet(account, provider);

// Resolves when a method was answered the next time.
function answered(method) {
  const send = provider.send;
  return new Promise((heard) => {
    provider.send = async (asked, params) => {
      const answer = await send.call(provider, asked, params);
      if (asked === method) heard();
      return answer;
    };
  });
}

const deployed = await new ContractFactory(abi, bytecode, wallet).deploy();
await within(30, "deployment", deployed.waitForDeployment());
const address = await deployed.getAddress();

const sockets = new WebSocketProvider(() => new KeyedWebSocket(socketUrl));
const heard = new Promise((hear) => {
  new Contract(address, abi, sockets).on("Counted", (by, total, event) => {
    hear({ by, total, transaction: event.log.transactionHash });
  });
});
const head = new Promise((hear) => sockets.on("block", hear));
const waiting = new Promise((hear) => sockets.on("pending", hear));
await sockets.send("eth_chainId", []); // the subscriptions above were sent before this one

const started = answered("eth_blockNumber"); // events are looked for from there on
const polled = new Promise((hear) => deployed.on("Counted", (by, total) => hear(total)));
await within(30, "start of the poller", started);

const sent = await deployed.count(5n);
const receipt = await within(30, "receipt", sent.wait());
const logs = await deployed.queryFilter("Counted", receipt.blockNumber, receipt.blockNumber);
let reason = null;
try {
  await deployed.count.staticCall(0n);
} catch (error) {
  reason = error.reason;
}
tell({
  address,
  transaction: receipt.hash,
  status: receipt.status,
  fee: receipt.gasPrice,
  total: await deployed.total(),
  filtered: logs.map((log) => log.args.total),
  polled: await within(30, "polled event", polled),
  subscribed: await within(30, "subscribed event", heard),
  head: await within(30, "head", head),
  pending: await within(30, "pending transaction", waiting),
  reason,
});
await sockets.destroy();
provider.destroy();
