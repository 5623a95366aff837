// Package scenario holds the four access systems to the letter through the front door: a whole broker, its token endpoint, its
// admin API and its decision API. The decision tables of package access are replayed over HTTP (table_test.go), and what needs the
// running product — tokens, headers, wording, time — has tests named after the scenarios of docs/access-scenarios.md.
//
// It has tests only. It may import everything; nothing imports it.
package scenario
