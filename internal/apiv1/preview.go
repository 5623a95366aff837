package apiv1

import (
	"context"
	"net/http"
)

// A Preview asks what some changes, made one after another by the caller, would come to.
type Preview struct {
	Changes []PreviewChange `json:"changes" nullable:"false" minItems:"1" maxItems:"50"`
}

// A PreviewChange is one of its fields.
type PreviewChange struct {
	Assign            *AssignmentAt  `json:"assign,omitempty" yaml:"assign,omitempty"`
	Unassign          *AssignmentAt  `json:"unassign,omitempty" yaml:"unassign,omitempty" doc:"Without a role: all that the subject holds at the node and below."`
	Suspend           *AssignmentAt  `json:"suspend,omitempty" yaml:"suspend,omitempty"`
	Resume            *AssignmentAt  `json:"resume,omitempty" yaml:"resume,omitempty"`
	Set               *SettingAt     `json:"set,omitempty" yaml:"set,omitempty"`
	AddGroupMember    *GroupMemberAt `json:"add_group_member,omitempty" yaml:"add_group_member,omitempty"`
	RemoveGroupMember *GroupMemberAt `json:"remove_group_member,omitempty" yaml:"remove_group_member,omitempty"`
	DeleteGroup       *GroupAt       `json:"delete_group,omitempty" yaml:"delete_group,omitempty"`
	DeleteRole        *RoleAt        `json:"delete_role,omitempty" yaml:"delete_role,omitempty"`
}

// An AssignmentAt is an assignment at a node.
type AssignmentAt struct {
	Node string `json:"node" yaml:"node" doc:"Path or id."`
	Assignment
}

// A SettingAt is a value for a setting of a node.
type SettingAt struct {
	Node  string `json:"node" yaml:"node" doc:"Path or id."`
	Key   string `json:"key" yaml:"key"`
	Value string `json:"value,omitempty" yaml:"value,omitempty" doc:"Absent: the setting is taken back."`
}

// A GroupAt is a custom group of a node.
type GroupAt struct {
	Node  string `json:"node" yaml:"node" doc:"Path or id."`
	Group string `json:"group" yaml:"group" doc:"Name or id."`
}

// A GroupMemberAt is a user in a custom group of a node.
type GroupMemberAt struct {
	Node  string `json:"node" yaml:"node" doc:"Path or id."`
	Group string `json:"group" yaml:"group" doc:"Name or id."`
	User  string `json:"user" yaml:"user" doc:"Name or id."`
}

// A RoleAt is a custom role that a node defines.
type RoleAt struct {
	Node string `json:"node" yaml:"node" doc:"Path or id."`
	Role string `json:"role" yaml:"role"`
}

// An Effect is what the changes of a Preview would come to. Nothing was written.
type Effect struct {
	Refused         *PreviewRefusal `json:"refused,omitempty" doc:"The first change that would be refused. Then nothing else is said."`
	Seats           *SeatEffect     `json:"seats,omitempty" doc:"Absent: the model counts no seats."`
	Access          []AccessEffect  `json:"access" nullable:"false" doc:"Who would hold other roles than today, at most 200 lines."`
	AccessCount     int             `json:"access_count" doc:"How many lines there would be."`
	AccessTruncated bool            `json:"access_truncated,omitempty" doc:"So many nodes and people are concerned that not all were looked at."`
	Public          []PublicEffect  `json:"public,omitempty" doc:"Where anyone, signed in or not, gains or loses sight of a node."`
	Warnings        []Warning       `json:"warnings" nullable:"false"`
}

// A PreviewRefusal is a change that would be refused.
type PreviewRefusal struct {
	Index  int    `json:"index" doc:"Of the change; the first is 0."`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// A SeatEffect says how many seats are taken now and would be.
type SeatEffect struct {
	Node   string `json:"node" doc:"The path of the node that pays."`
	Before int    `json:"before"`
	After  int    `json:"after"`
	Limit  int    `json:"limit,omitempty" doc:"Absent: there is none."`
}

// An AccessEffect says what a subject holds at a node now and would hold, from whatever source.
type AccessEffect struct {
	Node    string   `json:"node"`
	Subject string   `json:"subject"`
	Name    string   `json:"name,omitempty"`
	Before  []string `json:"before" nullable:"false"`
	After   []string `json:"after" nullable:"false"`
}

// A PublicEffect says whether anyone sees a node now and would see it.
type PublicEffect struct {
	Node   string `json:"node"`
	Before bool   `json:"before"`
	After  bool   `json:"after"`
}

// PreviewAccess says what changes by the caller would come to, and writes nothing.
func (c *Client) PreviewAccess(ctx context.Context, p Preview) (Effect, error) {
	v, _, err := send[Effect](ctx, c, http.MethodPost, "/access/preview", "", p)
	return v, err
}
