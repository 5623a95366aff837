// Package archtest holds the code and its pages to each other: its tests read docs/architecture.md, docs/dependencies.md,
// docs/standards.md, docs/errors.md, and every file of the module, whatever the platform it is for. It has no code of its own, imports nothing of
// Gatehouse, and nothing imports it.
package archtest
