// What Hardhat of either version does: deploy, write, read, filter and follow events.
import { readFileSync } from "node:fs";
import { tell, within } from "./telling.mjs";

export async function play(ethers) {
  const { abi, bytecode } = JSON.parse(readFileSync(process.env.CONTRACT, "utf8"));
  const [signer] = await ethers.getSigners();
  const factory = await ethers.getContractFactory(abi, bytecode, signer);
  const deployed = await factory.deploy();
  await within(30, "deployment", deployed.waitForDeployment());
  let hear;
  const followed = new Promise((heard) => (hear = heard));
  await deployed.on("Counted", (by, total, event) => {
    hear({ by, total, transaction: event.log.transactionHash });
  });
  // Returns when the poller has a first block number: events are looked for from there on.
  await within(30, "start of the poller", ethers.provider.on("block", () => {}));
  const sent = await deployed.count(5n);
  const receipt = await within(30, "receipt", sent.wait());
  const logs = await deployed.queryFilter("Counted", receipt.blockNumber, receipt.blockNumber);
  const filter = await ethers.provider.send("eth_newFilter", [
    { address: await deployed.getAddress(), fromBlock: ethers.toQuantity(receipt.blockNumber) },
  ]);
  const found = await ethers.provider.send("eth_getFilterLogs", [filter]);
  let reason = null;
  try {
    await deployed.count.staticCall(0n);
  } catch (error) {
    reason = /counts nothing/.test(error.message) ? "a step of zero counts nothing" : error.message;
  }
  tell({
    address: await deployed.getAddress(),
    transaction: receipt.hash,
    status: receipt.status,
    fee: receipt.gasPrice,
    total: await deployed.total(),
    filtered: logs.map((log) => log.args.total),
    polled: BigInt(found[0].data),
    subscribed: await within(30, "followed event", followed),
    reason,
  });
  await deployed.removeAllListeners();
  await ethers.provider.removeAllListeners("block");
}
