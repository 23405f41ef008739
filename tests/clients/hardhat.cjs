// Hardhat 2: its provider is the same for the whole run.
const { ethers } = require("hardhat");

async function main() {
  const { play } = await import("./hardhat-steps.mjs");
  await play(ethers);
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
