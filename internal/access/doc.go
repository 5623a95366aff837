// Package access answers one question — which roles does a subject hold at a node, and why — and everything that follows from it:
// decisions, claims, who has access, seats, and the rules by which access is changed.
//
// A Model is one YAML file, read by Parse and compiled once: its levels, roles, implications and management rules. Four ship as
// presets. Facts (nodes, assignments, groups, settings, suspensions) are rows that somebody else keeps; the package sees them
// through Facts, and through Roster where it has to list. The order of reading: schema.go, model.go, evaluate.go, then any file.
//
// The rule that holds: every answer comes from the one evaluator in evaluate.go, so claims, decisions and lists cannot disagree.
// Check functions decide and never write; whoever calls them writes in the same transaction from which the Roster reads.
//
// It may import internal/iam, the standard library and YAML. Storage, HTTP and the wording of tokens live elsewhere.
package access
