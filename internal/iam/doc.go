// Package iam holds the nouns of Gatehouse — nodes, users, groups, clients, secrets, audiences, assignments — and its one
// error type. It does no I/O, reads no clock, and imports nothing of Gatehouse: every other package may import it.
package iam
