// Package archtest holds the code to docs/architecture.md and docs/dependencies.md: its tests read the table of packages there
// and every import statement of the module, whatever the platform it is for. It has no code of its own, imports nothing of
// Gatehouse, and nothing imports it.
package archtest
