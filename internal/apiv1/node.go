package apiv1

import "time"

// A Node is a place that roles are held at, as the API shows it: an organization, or a level above or below one.
type Node struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Path   string `json:"path" doc:"The names from the organization down, as in acme/web."`
	Parent string `json:"parent,omitempty" doc:"The path of the node above."`
	NodeSpec
	CreatedAt time.Time `json:"created_at"`
	ETag      string    `json:"-"` // the version read
}

// NewNode is what it takes to make one. Its first assignments are part of it, since many models want an owner from the start.
type NewNode struct {
	Name   string `json:"name" doc:"Unique below its parent; of an organization, in the installation."`
	Parent string `json:"parent,omitempty" doc:"The path or id of the node above. Absent: it stands alone and names its model."`
	NodeSpec
	Assignments []Assignment `json:"assignments,omitempty" doc:"Who holds which role from the start."`
}

// A NodeSpec describes a node. Level and model of an existing node never change.
type NodeSpec struct {
	Level       string            `json:"level,omitempty" yaml:"level,omitempty" doc:"A level of the access model. Absent: organization."`
	Kind        string            `json:"kind,omitempty" yaml:"kind,omitempty" doc:"One of the level's kinds, where it has several."`
	DisplayName string            `json:"display_name,omitempty" yaml:"displayName,omitempty"`
	Model       string            `json:"model,omitempty" yaml:"model,omitempty" doc:"The access model, named by a node without parent; those below inherit it."`
	Settings    map[string]string `json:"settings,omitempty" yaml:"settings,omitempty" doc:"Settings of the level."`
	Seats       int               `json:"seats,omitempty" yaml:"seats,omitempty" minimum:"0" doc:"How many seats it has, where the model counts them. Absent: not limited. Operators change it."`
	Disabled    bool              `json:"disabled,omitempty" yaml:"disabled,omitempty" doc:"Nobody gets a token for it or below it. Operators change it."`
}

// A NodeChange is what a node becomes. Its name is part of it only where it changes, so that a spec that was read can be sent.
type NodeChange struct {
	Name string `json:"name,omitempty" doc:"The new name. Absent: it stays."`
	NodeSpec
}

// A NodeDoc is the spec of an Organization or a Node document: the node and who holds what at it. An Organization names no level.
type NodeDoc struct {
	NodeSpec    `yaml:",inline"`
	Assignments []Assignment `json:"assignments,omitzero" yaml:"assignments,omitempty"` // nil: as they are
}

// An Assignment gives a role to one of User (name or id), Group (name or id), Client (client id) or Login. Role "" is the role
// for those who join.
type Assignment struct {
	User   string `json:"user,omitempty" yaml:"user,omitempty"`
	Group  string `json:"group,omitempty" yaml:"group,omitempty" doc:"A group of the node or of one above it."`
	Client string `json:"client,omitempty" yaml:"client,omitempty"`
	Login  *Login `json:"login,omitempty" yaml:"login,omitempty" doc:"A person who has not signed in yet."`
	Role   string `json:"role,omitempty" yaml:"role,omitempty"`
}

// A Login is an account at an upstream provider.
type Login struct {
	Connector string `json:"connector" yaml:"connector"`
	Name      string `json:"name" yaml:"name"`
}

// A Group is a set of users that holds roles as one, as the API shows it.
type Group struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Parent    string    `json:"parent" doc:"The path of the node that it belongs to."`
	System    bool      `json:"system,omitempty" doc:"The model computes who is in it: nobody changes or ends it."`
	Preselect bool      `json:"preselect,omitempty" doc:"It is offered first when access to the node asked about is granted."`
	CreatedAt time.Time `json:"created_at,omitzero"`
	ETag      string    `json:"-"` // the version read
}

// NewGroup is what it takes to make one.
type NewGroup struct {
	Name string `json:"name" doc:"Unique at its node; what the groups claim carries."`
	GroupSpec
}

// A GroupSpec says who is in a group.
type GroupSpec struct {
	Members []string `json:"members,omitzero" yaml:"members,omitempty" doc:"Names or ids of users."`
}

// A Member is a user in a group.
type Member struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}
