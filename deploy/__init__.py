"""What an operator runs: publishing models, rolling them out, watching the fleet. Imports the contract only."""
