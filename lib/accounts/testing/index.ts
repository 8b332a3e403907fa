export { accountStoreContract, type ContractTest } from './account-store-contract.js';
