// Hardhat 3: its provider belongs to a connection that is made and closed.
import { network } from "hardhat";
import { play } from "./hardhat-steps.mjs";

const connection = await network.create();
try {
  await play(connection.ethers);
} finally {
  await connection.close();
}
