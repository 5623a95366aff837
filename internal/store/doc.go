// Package store keeps Gatehouse's records — nodes, users, groups, clients, audiences, assignments, signing keys, revocations — in
// a kv.Store. layout.go is the whole key layout. Reads for the token path come from a cache that every replica invalidates by
// following the directory's log, and that answers only while the log was read recently (the lease). Changes go through Update:
// an optimistic transaction that runs again when somebody else was faster.
//
// It imports iam and kv, and no engine. It knows no rule of who may do what: that is directory's and access's.
package store
