package access

import "github.com/gatehouse-id/gatehouse/internal/iam"

// A Schema is an access model as its author wrote it, in file order: what a page about the model shows.
type Schema struct {
	Name       string        `json:"model"`
	Revision   int           `json:"revision"`
	Precedence Precedence    `json:"precedence"`
	Levels     []LevelSchema `json:"levels"`
	Clients    *Clients      `json:"clients,omitempty"`
	Seats      *SeatRule     `json:"seats,omitempty"`
	Operations []Operation   `json:"operations,omitempty"`
	Tokens     Tokens        `json:"tokens"`
	Migrations []Migration   `json:"migrate,omitempty"`
}

// A Layer names a kind of source of roles; precedence is told in layers.
type Layer string

// The layers that every model has. An implication may name one of its own.
const (
	LayerDirect  Layer = "direct"  // assigned to the subject at the node
	LayerGroup   Layer = "group"   // assigned to a group of the subject at the node
	LayerImplied Layer = "implied" // carried down from a role above
	LayerBuiltin Layer = "builtin" // a setting's default that nobody set
	LayerPublic  Layer = "public"  // what anyone gets, signed in or not
)

// Precedence combines layers: the first of Decide that has an entry decides, those of Add are always merged in.
type Precedence struct {
	Decide []Layer `json:"decide"`
	Add    []Layer `json:"add"`
}

// A LevelSchema is one kind of node.
type LevelSchema struct {
	ID        iam.Level        `json:"id"`
	Parent    iam.Level        `json:"parent,omitempty"`
	Exclusive bool             `json:"exclusive,omitempty"` // one role per subject and node; file order is the ladder, highest first
	See       []iam.Permission `json:"see"`                 // any of them makes the existence of a node known
	JoinRole  iam.RoleID       `json:"join_role,omitempty"` // given when none is named
	Kinds     []string         `json:"kinds,omitempty"`
	Settings  []Setting        `json:"settings,omitempty"`
	Public    *PublicRule      `json:"public,omitempty"`
	Restrict  []Restriction    `json:"restrict,omitempty"`
	Manage    Manage           `json:"manage"`
	Groups    GroupRules       `json:"groups"`
	Admin     Admin            `json:"admin"`
	Roles     []RoleSchema     `json:"roles"`
}

// A Setting of a node takes one of Values, or names a node at or below when Node is true.
type Setting struct {
	Name    string         `json:"name"`
	Values  []string       `json:"values,omitempty"`
	Node    bool           `json:"node,omitempty"`
	Default string         `json:"default,omitempty"`
	Change  iam.Permission `json:"change"`
}

// A PublicRule says which role anyone gets at a node, by the value of one of its settings.
type PublicRule struct {
	Setting string                `json:"setting"`
	Grants  map[string]iam.RoleID `json:"grants"`
}

// A Restriction cuts everything at and below a node down to what is public.
type Restriction string

// The restrictions that the engine knows.
const (
	RestrictSuspended     Restriction = "suspended"      // the subject is suspended at the node
	RestrictExternalUsers Restriction = "external_users" // the node's setting of that name is "blocked" and the user has no role at it
)

// A Right is any of some permissions, or the mark that people cannot have it.
type Right struct {
	AnyOf  []iam.Permission `json:"any_of,omitempty"`
	System bool             `json:"system,omitempty"` // only operations of the model
	Config bool             `json:"config,omitempty"` // only the operator's configuration
}

func (r Right) named() bool { return r.System || r.Config || len(r.AnyOf) > 0 }

// Manage says who may assign, change and revoke roles.
type Manage struct {
	Assign Right `json:"assign"`
	Change Right `json:"change"`
	Revoke Right `json:"revoke"`
}

// GroupRules says who may make groups at a level's nodes, and which groups exist there by themselves.
type GroupRules struct {
	Create []iam.Permission `json:"create,omitempty"`
	System []SystemGroup    `json:"system,omitempty"`
}

// A SystemGroup exists at every node of its level; its members are those who are assigned a role there, directly or by a custom group.
type SystemGroup struct {
	Name      string      `json:"name"` // contains {node}
	Hidden    bool        `json:"hidden,omitempty"`
	Preselect iam.Level   `json:"preselect,omitempty"` // offered first when access is granted at this level
	HoldsAt   []iam.Level `json:"holds_at"`
}

// Admin says which permissions, searched at the node and above, let somebody administer a node of the level. Where none is named,
// only operators may.
type Admin struct {
	Create      []iam.Permission `json:"create,omitempty"` // searched from the parent up
	Configure   []iam.Permission `json:"configure,omitempty"`
	Delete      []iam.Permission `json:"delete,omitempty"`
	Review      []iam.Permission `json:"review,omitempty"`
	Audit       []iam.Permission `json:"audit,omitempty"`
	CustomRoles []iam.Permission `json:"custom_roles,omitempty"`
}

// A RoleSchema is a role as written.
type RoleSchema struct {
	ID          iam.RoleID        `json:"id"`
	Permissions []iam.Permission  `json:"permissions,omitempty"`
	Extends     []iam.RoleID      `json:"extends,omitempty"`
	Implies     []Implication     `json:"implies,omitempty"`
	Holders     []iam.SubjectKind `json:"holders"`
	Min         int               `json:"min,omitempty"` // holders that a node must keep
	Max         int               `json:"max,omitempty"` // holders that a node may have; 0: any number
	SelfLocked  bool              `json:"self_locked,omitempty"`
	Duplicable  bool              `json:"duplicable,omitempty"`
	Manage      Manage            `json:"manage"` // what it leaves out is the level's
}

// An Implication carries a role down: to Role, or to the role that Setting names at the nearest of the Via levels.
type Implication struct {
	At      iam.Level   `json:"at"`
	Role    iam.RoleID  `json:"role,omitempty"`
	Setting string      `json:"setting,omitempty"`
	Via     []iam.Level `json:"via,omitempty"`
	Only    string      `json:"only,omitempty"` // a setting that names the node which must lie on the way
	As      Layer       `json:"as"`
}

// Clients says where machine clients live and who manages them.
type Clients struct {
	At        iam.Level        `json:"at"`
	Manage    []iam.Permission `json:"manage"`
	Federated []string         `json:"federated,omitempty"` // kinds of outside issuers that the model expects
}

// A SeatRule says which nodes pay for seats, and at which levels an assigned person takes one.
type SeatRule struct {
	At       iam.Level   `json:"at"`
	Resource []iam.Level `json:"resource"`
}

// An Operation is a compound action: all of Requires, then a node that comes into being, whose role CreatorGets is its maker's.
type Operation struct {
	Name        string        `json:"name"`
	Requires    []Requirement `json:"requires"`
	Creates     string        `json:"creates,omitempty"` // a level, a kind, or something that Gatehouse keeps no node of
	CreatorGets iam.RoleID    `json:"creator_gets,omitempty"`
}

// A Requirement is a permission at the node of a level on the way to the node operated on.
type Requirement struct {
	Permission iam.Permission `json:"permission"`
	At         iam.Level      `json:"at"`
}

// Tokens says what tokens of the model's organizations carry beyond the common claims.
type Tokens struct {
	Audiences []string       `json:"audience,omitempty"`
	Claims    []ClaimSources `json:"claims,omitempty"`
}

// ClaimSources names a claim and where its value comes from, by kind of subject; the zero source leaves the claim out.
type ClaimSources struct {
	Name   string      `json:"name"`
	User   ClaimSource `json:"user,omitempty"`
	Client ClaimSource `json:"client,omitempty"`
}

// A ClaimSource is one of the closed list of values that a model may put into a token.
type ClaimSource string

// The claim sources.
const (
	SourceLogin            ClaimSource = "login"             // the user's handle
	SourceClientName       ClaimSource = "client.name"       // the client's name
	SourceClientID         ClaimSource = "client.id"         // the client_id
	SourceOrganizationName ClaimSource = "organization.name" // the organization's name
	SourceOrganizationID   ClaimSource = "organization.id"   // the organization's identifier
)

// A Migration maps the roles of another system.
type Migration struct {
	Source string          `json:"source"`
	Roles  []MigrationRole `json:"roles"`
}

// A MigrationRole says what an old role becomes: the only choice, one of several, or, with none, a review by hand.
type MigrationRole struct {
	Old     string   `json:"old"` // "*": every role not named
	Choices []RoleAt `json:"choices,omitempty"`
}

// RoleAt is a role and its level.
type RoleAt struct {
	Role iam.RoleID `json:"role"`
	At   iam.Level  `json:"at"`
}
