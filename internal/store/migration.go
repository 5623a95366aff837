package store

import (
	"context"
	"strconv"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// A Migration is a plan that turns the roles that people held in another system into assignments at a node and below. Its items
// are records of their own, MigrationPart of them in each.
type Migration struct {
	ID        string      `json:"id"`
	Node      iam.NodeID  `json:"node"`
	Source    string      `json:"source"` // the system, as the access model calls it
	Items     int         `json:"items"`
	By        iam.Subject `json:"by"` // who planned it
	CreatedAt time.Time   `json:"created_at"`
}

// A MigrationItem is one role that somebody held.
type MigrationItem struct {
	Subject iam.Subject       `json:"subject,omitzero"` // who it becomes an assignment of; zero: not known yet
	Holder  string            `json:"holder"`           // as the other system named the person
	Old     string            `json:"old"`
	State   MigrationState    `json:"state"`
	Choices []MigrationChoice `json:"choices,omitempty"` // what the model makes of the old role
	Role    iam.RoleID        `json:"role,omitempty"`
	Node    iam.NodeID        `json:"node,omitempty"`
	Code    string            `json:"code,omitempty"`   // of the refusal, when the last try was refused
	Reason  string            `json:"reason,omitempty"` // why it waits, or was refused
}

// A MigrationChoice is a role and the level that it is held at.
type MigrationChoice struct {
	Role  iam.RoleID `json:"role"`
	Level iam.Level  `json:"level"`
}

// A MigrationState says what an item waits for.
type MigrationState string

// The states of an item. Only Proposed, Decided and Refused items that name a role and a node become assignments.
const (
	MigrationProposed MigrationState = "proposed" // the model says which role
	MigrationChoose   MigrationState = "choose"   // the model says which roles it may be
	MigrationReview   MigrationState = "review"   // a person has to say what it becomes
	MigrationDecided  MigrationState = "decided"  // somebody has said it
	MigrationSkipped  MigrationState = "skipped"  // somebody has said: nothing
	MigrationApplied  MigrationState = "applied"
	MigrationRefused  MigrationState = "refused" // tried, and not allowed
)

// MigrationPart is how many items a record holds, and MaxMigrationItems how many a plan may have: as many as one transaction writes.
const (
	MigrationPart     = 100
	MaxMigrationItems = 30 * MigrationPart
)

// MaxMigrations is how many plans a node keeps: explanations of access look through all of them.
const MaxMigrations = 30

type migrationPart struct {
	Node  iam.NodeID      `json:"node"` // of the migration
	Items []MigrationItem `json:"items"`
}

func migrationPartID(id string, item int) string { return join(id, strconv.Itoa(item/MigrationPart)) }

// Migrations lists the migrations planned at a node, by id.
func (s *Store) Migrations(ctx context.Context, n iam.NodeID, p PageOptions) (Page[*Migration], error) {
	return list(ctx, s, directoryUnit(), migrations, string(n)+"/", p, func(_ string, m *Migration) (*Migration, bool, error) { return m, true, nil })
}

// Migration returns a migration planned at a node, nil when there is none.
func (tx *Tx) Migration(n iam.NodeID, id string) (*Migration, error) {
	return read(tx, migrations, join(string(n), id))
}

// Migrations returns the ids of the migrations planned at a node. Whoever plans one touches the node.
func (tx *Tx) Migrations(n iam.NodeID) ([]string, error) {
	if _, err := tx.Node(n); err != nil {
		return nil, err
	}
	return ids(tx, migrations, string(n)+"/")
}

// MigrationItems returns items of a migration: those in the part that item lies in, and the number of the first of them.
func (tx *Tx) MigrationItems(id string, item int) (items []MigrationItem, first int, err error) {
	p, err := read(tx, migrationParts, migrationPartID(id, item))
	if err != nil || p == nil {
		return nil, 0, err
	}
	return p.Items, item - item%MigrationPart, nil
}

// PutMigration writes a new migration with all its items.
func (tx *Tx) PutMigration(m *Migration, items []MigrationItem) error {
	if len(items) > MaxMigrationItems {
		return iam.Refuse(iam.Invalid, "too_large", "%d items are more than the %d of one plan", len(items), MaxMigrationItems)
	}
	m.Items = len(items)
	if err := tx.touch(m.Node); err != nil {
		return err
	}
	for first := 0; first < len(items); first += MigrationPart {
		part := &migrationPart{Node: m.Node, Items: items[first:min(first+MigrationPart, len(items))]}
		if err := put(tx, migrationParts, migrationPartID(m.ID, first), part); err != nil {
			return err
		}
	}
	return put(tx, migrations, join(string(m.Node), m.ID), m)
}

// PutMigrationItem writes one item of a migration.
func (tx *Tx) PutMigrationItem(id string, item int, it MigrationItem) error {
	partID := migrationPartID(id, item)
	p, err := read(tx, migrationParts, partID)
	if err != nil {
		return err
	}
	if p == nil || item%MigrationPart >= len(p.Items) {
		return iam.Errorf(iam.NotFound, "migration %q has no item %d", id, item)
	}
	p.Items[item%MigrationPart] = it
	return put(tx, migrationParts, partID, p)
}

// DeleteMigration removes a migration and its items. What it has assigned stays.
func (tx *Tx) DeleteMigration(m *Migration) error {
	if err := tx.touch(m.Node); err != nil {
		return err
	}
	for first := 0; first < m.Items; first += MigrationPart {
		remove(tx, migrationParts, migrationPartID(m.ID, first))
	}
	remove(tx, migrations, join(string(m.Node), m.ID))
	return nil
}
