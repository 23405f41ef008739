// Hardhat 2 on a node of an alliance. It compiles nothing here: contracts come as artifacts.
require("@nomicfoundation/hardhat-ethers");

module.exports = {
  networks: {
    bulwark: {
      url: process.env.BULWARK_URL,
      httpHeaders: { Authorization: `Bearer ${process.env.BULWARK_KEY}` },
      accounts: [process.env.ACCOUNT_KEY],
    },
  },
};
