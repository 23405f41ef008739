// viem: deploy, write, read, filter by HTTP; subscribe by WebSocket.
import { abi, account, bytecode, headers, KeyedWebSocket, socketUrl, url } from "./alliance.mjs";
import { tell, within } from "./telling.mjs";

// viem takes no headers for a WebSocket; it uses the class that it finds when it is loaded.
globalThis.WebSocket = KeyedWebSocket;
const { createPublicClient, createWalletClient, defineChain, http, webSocket, BaseError, ContractFunctionRevertedError } =
  await import("viem");
const { privateKeyToAccount } = await import("viem/accounts");

const transport = http(url, { fetchOptions: { headers }, batch: true });
const id = await createPublicClient({ transport }).getChainId();
const chain = defineChain({
  id,
  name: "Bulwark",
  nativeCurrency: { name: "none", symbol: "NONE", decimals: 18 },
  rpcUrls: { default: { http: [url] } },
});
const reader = createPublicClient({ chain, transport, pollingInterval: 200 });
const writer = createWalletClient({ chain, transport, account: privateKeyToAccount(account) });
const follower = createPublicClient({ chain, transport: webSocket(socketUrl, { reconnect: false }) });

const creation = await writer.deployContract({ abi, bytecode });
const made = await within(30, "deployment", reader.waitForTransactionReceipt({ hash: creation }));
const address = made.contractAddress;

const heard = new Promise((hear, refuse) => {
  follower.watchContractEvent({
    address,
    abi,
    eventName: "Counted",
    onLogs: ([log]) => hear({ by: log.args.by, total: log.args.total, transaction: log.transactionHash }),
    onError: refuse,
  });
});
const head = new Promise((hear, refuse) => {
  follower.watchBlockNumber({ onBlockNumber: hear, onError: refuse });
});
const waiting = new Promise((hear, refuse) => {
  follower.watchPendingTransactions({ onTransactions: ([hash]) => hear(hash), onError: refuse });
});
await follower.getChainId(); // the subscriptions above were sent before this one

const filter = await reader.createContractEventFilter({ address, abi, eventName: "Counted" });
const hash = await writer.writeContract({ address, abi, functionName: "count", args: [5n] });
const receipt = await within(30, "receipt", reader.waitForTransactionReceipt({ hash }));
const changes = await reader.getFilterChanges({ filter });
const logs = await reader.getContractEvents({ address, abi, eventName: "Counted", fromBlock: made.blockNumber });
let reason = null;
try {
  await reader.simulateContract({ address, abi, functionName: "count", args: [0n] });
} catch (error) {
  const reverted = error instanceof BaseError && error.walk((e) => e instanceof ContractFunctionRevertedError);
  reason = reverted ? reverted.reason : String(error);
}
const filled = await writer.prepareTransactionRequest({ to: writer.account.address, value: 0n });
tell({
  address,
  transaction: hash,
  status: receipt.status === "success" ? 1 : 0,
  fee: receipt.effectiveGasPrice,
  total: await reader.readContract({ address, abi, functionName: "total" }),
  filtered: logs.map((log) => log.args.total),
  polled: changes[0]?.args.total,
  subscribed: await within(30, "subscribed event", heard),
  head: await within(30, "head", head),
  pending: await within(30, "pending transaction", waiting),
  nonce: filled.nonce,
  reason,
});
process.exit(0); // its socket stays open
