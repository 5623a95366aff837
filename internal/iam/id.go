package iam

import (
	"crypto/rand"
	"strings"
)

// Identifiers are opaque to everyone but the package that makes them. Only a ClientID may be chosen from outside.
type (
	// NodeID names a node of any level: an organization, a workspace, a project.
	NodeID string
	// UserID names a person. It is the sub of that person's tokens and never changes.
	UserID string
	// GroupID names a custom group.
	GroupID string
	// ClientID is the client_id of RFC 6749 §2.2.
	ClientID string
	// SecretID names one of a client's secrets, in listings and audit lines.
	SecretID string
	// RoleID names a role of an access model; unique within the model.
	RoleID string
	// Permission names a right of an access model.
	Permission string
	// Level names a kind of node in an access model: "organization", "project".
	Level string
)

// LevelOrganization is the level that tokens speak for (org_id) and whose names are unique across the installation.
const LevelOrganization Level = "organization"

// NewID returns prefix and 80 random bits in lower-case base32, as in "n_k3q7x2m5v6t4p2aa". Identifiers are not secrets.
func NewID(prefix string) string { return prefix + "_" + strings.ToLower(rand.Text()[:16]) }

// A SubjectKind is what can hold a role.
type SubjectKind string

// The kinds of subject. SubjectLogin is an account at an upstream provider that has not signed in yet (ID "connector/name");
// SubjectAnonymous is anyone, signed in or not, and has no ID.
const (
	SubjectUser      SubjectKind = "user"
	SubjectClient    SubjectKind = "client"
	SubjectGroup     SubjectKind = "group"
	SubjectLogin     SubjectKind = "login"
	SubjectAnonymous SubjectKind = "anonymous"
)

// A Subject is who or what holds a role or asks for a decision.
type Subject struct {
	Kind SubjectKind `json:"kind"`
	ID   string      `json:"id,omitempty"`
}

// String returns "kind:id", the form used in keys and in the access tables.
func (s Subject) String() string {
	if s.Kind == SubjectAnonymous {
		return string(s.Kind)
	}
	return string(s.Kind) + ":" + s.ID
}

// ParseSubject reads what String wrote.
func ParseSubject(s string) (Subject, error) {
	if s == string(SubjectAnonymous) {
		return Subject{Kind: SubjectAnonymous}, nil
	}
	kind, id, ok := strings.Cut(s, ":")
	switch SubjectKind(kind) {
	case SubjectUser, SubjectClient, SubjectGroup, SubjectLogin:
		if ok && id != "" {
			return Subject{Kind: SubjectKind(kind), ID: id}, nil
		}
	}
	return Subject{}, Errorf(Invalid, "subject %q: want user:ID, client:ID, group:ID, login:CONNECTOR/NAME or anonymous", s)
}

// Subject makes a Subject of the identifier.
func (id UserID) Subject() Subject { return Subject{Kind: SubjectUser, ID: string(id)} }

// Subject makes a Subject of the identifier.
func (id ClientID) Subject() Subject { return Subject{Kind: SubjectClient, ID: string(id)} }

// Subject makes a Subject of the identifier.
func (id GroupID) Subject() Subject { return Subject{Kind: SubjectGroup, ID: string(id)} }
