// Hardhat 3 on a node of an alliance. It compiles nothing here: contracts come as artifacts.
import hardhatEthers from "@nomicfoundation/hardhat-ethers";
import { defineConfig } from "hardhat/config";

export default defineConfig({
  plugins: [hardhatEthers],
  networks: {
    bulwark: {
      type: "http",
      url: process.env.BULWARK_URL,
      httpHeaders: { Authorization: `Bearer ${process.env.BULWARK_KEY}` },
      accounts: [process.env.ACCOUNT_KEY],
    },
  },
});
