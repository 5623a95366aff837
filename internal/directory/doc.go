// Package directory is every change to what Gatehouse keeps about others: audiences, users, nodes, roles, groups, clients and
// their secrets. A change reads top to bottom: what is asked is checked, the access model decides, and reads, invariants and
// writes are one transaction of the store (work.go). Whatever takes a right away also ends the tokens that carry it, and returns
// only when that is durable.
//
// Larger intentions are steps (step.go), each a transaction that keeps every invariant: all of them are tried on paper before the
// first is done. Documents (apply.go) become steps, and so do deletions.
//
// What a transaction writes makes its lines of the audit log (audit.go), in the same transaction.
//
// It may import access, apiv1, audit, iam, keys, secret and store. Who the caller is, and everything about HTTP, is adminapi's.
package directory
