package apiv1

import (
	"context"
	"net/http"
	"strconv"
	"time"
)

// NewMigration asks for a plan that brings roles of another system over. Planning changes nobody's access.
type NewMigration struct {
	Source  string            `json:"source" doc:"The other system, as the access model calls it: flowx-4."`
	Holders []MigrationHolder `json:"holders" minItems:"1" maxItems:"3000" doc:"Who held which role there, an entry for each role."`
}

// A MigrationHolder is one role that somebody held in the other system.
type MigrationHolder struct {
	User  string `json:"user,omitempty" maxLength:"200" doc:"Name or id of the user."`
	Login *Login `json:"login,omitempty" doc:"An account that has not signed in yet."`
	Email string `json:"email,omitempty" maxLength:"200" doc:"Where no more is known: who it is has to be decided."`
	Role  string `json:"role" minLength:"1" maxLength:"200" doc:"The role as the other system calls it."`
	Where string `json:"where,omitempty" doc:"The node that the new role is to be held at, if that is known already."`
}

// A Migration is a plan that brings roles of another system over.
type Migration struct {
	ID        string          `json:"id"`
	Node      string          `json:"node" doc:"The path of the node at and below which roles are given."`
	Source    string          `json:"source"`
	CreatedAt time.Time       `json:"created_at"`
	Count     int             `json:"count" doc:"How many items it has."`
	Items     []MigrationItem `json:"items,omitempty" doc:"Absent in lists."`
}

// A MigrationItem is one role that somebody held, and what becomes of it.
type MigrationItem struct {
	Number  int               `json:"number" doc:"From 1."`
	Holder  string            `json:"holder" doc:"As the other system named the person."`
	Old     string            `json:"old"`
	State   string            `json:"state" enum:"proposed,choose,review,decided,skipped,applied,refused" doc:"proposed, decided and refused items with a role and a node become assignments."`
	Choices []MigrationChoice `json:"choices,omitempty" doc:"What the access model makes of the old role."`
	Role    string            `json:"role,omitempty"`
	Node    string            `json:"node,omitempty"`
	Code    string            `json:"code,omitempty" doc:"Of the refusal."`
	Reason  string            `json:"reason,omitempty" doc:"What it waits for, or why it was refused."`
}

// A MigrationChoice is a role, and the level of the nodes that it is held at.
type MigrationChoice struct {
	Role  string `json:"role"`
	Level string `json:"level"`
}

// A MigrationDecision says what becomes of an item: a role at a node, or nothing.
type MigrationDecision struct {
	Role  string `json:"role,omitempty" doc:"Absent: the one that is proposed."`
	Node  string `json:"node,omitempty" doc:"The node that it is held at."`
	User  string `json:"user,omitempty" doc:"Who it is, where that is not known."`
	Login *Login `json:"login,omitempty" doc:"The same, for an account that has not signed in yet."`
	Skip  bool   `json:"skip,omitempty" doc:"Nothing becomes of it."`
}

// A PendingMigration is a role of another system that still waits to be brought over.
type PendingMigration struct {
	Migration string `json:"migration,omitempty"`
	Number    int    `json:"number,omitempty"`
	Node      string `json:"node,omitempty" doc:"Where the plan was made."`
	Source    string `json:"source"`
	Old       string `json:"old" doc:"The role in the other system."`
	State     string `json:"state"`
	Reason    string `json:"reason,omitempty"`
}

func migrationsOf(node string) string { return "/nodes" + segment(node) + "/migrations" }

// PlanMigration makes a plan at a node.
func (c *Client) PlanMigration(ctx context.Context, node string, n NewMigration) (Migration, error) {
	v, _, err := create[Migration](ctx, c, migrationsOf(node), n)
	return v, err
}

// ListMigrations lists the plans at a node, without their items.
func (c *Client) ListMigrations(ctx context.Context, node string, o PageOptions) (Page[Migration], error) {
	v, _, err := get[Page[Migration]](ctx, c, migrationsOf(node), o.query())
	return v, err
}

// GetMigration returns a plan with its items.
func (c *Client) GetMigration(ctx context.Context, node, id string) (Migration, error) {
	v, _, err := get[Migration](ctx, c, migrationsOf(node)+segment(id), nil)
	return v, err
}

// DecideMigration says what becomes of an item of a plan.
func (c *Client) DecideMigration(ctx context.Context, node, id string, number int, d MigrationDecision) (MigrationItem, error) {
	v, _, err := send[MigrationItem](ctx, c, http.MethodPut, migrationsOf(node)+segment(id)+"/items/"+strconv.Itoa(number), "", d)
	return v, err
}

// ApplyMigration makes assignments of the items that say who, what and where, by the caller's own rights. What is refused stays
// with its reason; an interrupted call is finished by the next.
func (c *Client) ApplyMigration(ctx context.Context, node, id string) (Migration, error) {
	v, _, err := send[Migration](ctx, c, http.MethodPost, migrationsOf(node)+segment(id)+"/apply", "", nil)
	return v, err
}

// DeleteMigration ends a plan. What it has assigned stays.
func (c *Client) DeleteMigration(ctx context.Context, node, id string) error {
	return c.delete(ctx, migrationsOf(node)+segment(id))
}
