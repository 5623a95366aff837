package adminapi_test

import (
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

// bank is the organization of the workspace scenarios, beside one that has nothing to do with it.
const bank = `
kind: User
metadata: {name: ora}
---
kind: User
metadata: {name: wa}
---
kind: User
metadata: {name: wu}
---
kind: User
metadata: {name: po}
---
kind: User
metadata: {name: pe}
---
kind: User
metadata: {name: pv}
---
kind: User
metadata: {name: xc}
---
kind: User
metadata: {name: cu}
---
kind: User
metadata: {name: zed}
---
kind: User
metadata: {name: olga}
---
kind: Organization
metadata: {name: bank}
spec: {model: flowx, assignments: [{user: ora, role: org_admin}]}
---
kind: Organization
metadata: {name: rival}
spec: {model: flowx, assignments: [{user: olga, role: org_admin}]}
---
kind: Node
metadata: {name: vault, parent: rival}
spec: {level: workspace}
---
kind: Node
metadata: {name: retail, parent: bank}
spec:
  level: workspace
  assignments: [{user: wa, role: workspace_admin}, {user: wu, role: workspace_user}, {user: po, role: workspace_user},
    {user: pe, role: workspace_user}, {user: pv, role: workspace_user}]
---
kind: Node
metadata: {name: corp, parent: bank}
spec: {level: workspace, assignments: [{user: cu, role: workspace_user}]}
---
kind: Client
metadata: {name: engine, organization: bank}
spec: {clientId: engine, grantTypes: [client_credentials], role: SA_FLOWX, audiences: ["http://127.0.0.1:8080/api/v1"], secrets: [{name: s, value: "a-secret-of-more-than-forty-characters-for-engine"}]}
`

// inBank starts a broker with the bank in it, and a project loans that po made.
func inBank(t *testing.T) *broker {
	t.Helper()
	b := start(t)
	ctx := t.Context()
	operator := b.as("operator")
	check(t, errorOf(operator.Apply(ctx, bankDocuments(t), apiv1.ApplyOptions{})))
	check(t, errorOf(b.as(b.person("po", "")).Operate(ctx, "bank/retail", "create_project", apiv1.NewOperation{Name: "loans"})))
	for _, a := range []apiv1.Assignment{{User: "pe", Role: "project_editor"}, {User: "pv", Role: "project_viewer"}, {User: "xc", Role: "project_viewer"}} {
		check(t, errorOf(operator.Assign(ctx, "bank/retail/loans", a)))
	}
	return b
}

func bankDocuments(t *testing.T) []apiv1.Document { return documents(t, bank) }

// user returns a client of the API that acts by a person's own rights.
func (b *broker) user(name string) *apiv1.Client { return b.as(b.person(name, "")) }

// who are the callers of the bank's tables, by the names that they have there.
func (b *broker) who(name string) *apiv1.Client {
	if name == "operator" || name == "auditor" || name == "engine" || name == "stranger" {
		return b.as(name)
	}
	return b.user(name)
}

// A trial is something that callers try, and what becomes of it by code; "" is success.
type trial struct {
	who, code string
	do        func(api *apiv1.Client) error
}

func (b *broker) try(what string, trials ...trial) {
	b.t.Helper()
	for _, c := range trials {
		err := c.do(b.who(c.who))
		if c.code == "" {
			if err != nil {
				b.t.Errorf("%s by %s: %v", what, c.who, err)
			}
			continue
		}
		if got := codeOf(err); got != c.code {
			b.t.Errorf("%s by %s: got %v, want %s", what, c.who, err, c.code)
		}
	}
}

// each makes a trial of the same by several callers.
func each(do func(api *apiv1.Client) error, codes map[string]string) (out []trial) {
	for who, code := range codes {
		out = append(out, trial{who, code, do})
	}
	return out
}
