package apiv1

import (
	"context"
	"net/http"
	"time"
)

// A Subject is whom a question about access is about, as AuthZEN 1.0 §5.1 names it.
type Subject struct {
	Type string `json:"type" enum:"user,client,group,anonymous"`
	ID   string `json:"id,omitempty" maxLength:"200" doc:"Name or id of a user, id of a client, name or id of a group of the node or of one above it. Anonymous has none."`
}

// A Resource is the node that a question about access is about, as AuthZEN 1.0 §5.2 names it.
type Resource struct {
	Type string `json:"type,omitempty" maxLength:"200" doc:"The node's level or kind. Absent: whatever it is."`
	ID   string `json:"id" maxLength:"2000" doc:"Id or path, as in acme or acme/web."`
}

// An AccessQuestion asks whether somebody may do something at a node.
type AccessQuestion struct {
	Subject  *Subject `json:"subject,omitempty" doc:"Absent: whoever asks."`
	Action   string   `json:"action" maxLength:"200" doc:"A permission of the access model."`
	Resource Resource `json:"resource"`
}

// The reasons of an AccessDecision, named for the status that a resource server answers with.
const (
	ReasonForbidden = "403" // the subject may know that the node exists, and may not do that
	ReasonNotFound  = "404" // the subject may not know that the node exists, or it does not
)

// An AccessDecision is the answer.
type AccessDecision struct {
	Decision bool   `json:"decision"`
	Reason   string `json:"reason,omitempty" enum:"403,404" doc:"Why not: 404 where the subject may not know that the node exists."`
	Detail   string `json:"detail,omitempty" doc:"What decided, in words, for those who may review access at the node."`
}

// A WhoQuestion asks who has access to a node or, with Action, who may do that there.
type WhoQuestion struct {
	Action   string   `json:"action,omitempty" maxLength:"200" doc:"A permission of the access model. Absent: who holds any role."`
	Resource Resource `json:"resource"`
}

// An AccessEntry says that somebody has access to a node, and why.
type AccessEntry struct {
	Subject  AccessSubject  `json:"subject"`
	Roles    []string       `json:"roles" doc:"The roles held at the node; none, where a role held above it permits what was asked."`
	Reasons  []AccessReason `json:"reasons"`
	Pending  bool           `json:"pending,omitempty" doc:"Invited, and has not come: the roles count for nothing until then."`
	Disabled bool           `json:"disabled,omitempty" doc:"The account is switched off: its roles count for nothing until it is on again."`
}

// An AccessSubject is a subject with the name that people know it by. A login is a person who has not signed in yet; anonymous
// is anyone, signed in or not.
type AccessSubject struct {
	Type string `json:"type" enum:"user,client,group,login,anonymous"`
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
}

// An AccessReason is one source of a role, and what became of it.
type AccessReason struct {
	Role    string `json:"role"`
	Layer   string `json:"layer" doc:"The kind of source, which the access model's precedence ranks: direct, group, implied, builtin, public or the model's own."`
	Effect  string `json:"effect" enum:"counts,outranked,lower,cut"`
	Node    string `json:"node,omitempty" doc:"The path of the node where the fact stands: the assignment, the role above, the setting."`
	Group   string `json:"group,omitempty"`
	From    string `json:"from,omitempty" doc:"The role that implies it."`
	Setting string `json:"setting,omitempty"`
	Text    string `json:"text" doc:"The reason in words, up to the assignment that it rests on."`
}

// An ExplainQuestion asks why: why somebody may or may not do something at a node (Action, Resource), why a role cannot be given
// (Assign), or why a token was denied (RequestID). One of them is asked at a time.
type ExplainQuestion struct {
	Subject   *Subject        `json:"subject,omitempty" doc:"Absent: whoever asks."`
	Action    string          `json:"action,omitempty" maxLength:"200" doc:"A permission of the access model. Absent: why the subject may, or may not, know the node."`
	Resource  *Resource       `json:"resource,omitempty"`
	AccessRev string          `json:"access_rev,omitempty" maxLength:"200" doc:"That claim of a token of the subject: is it older than what was changed since?"`
	Assign    *AssignQuestion `json:"assign,omitempty"`
	RequestID string          `json:"request_id,omitempty" maxLength:"200" doc:"The X-Request-Id of a token request that was denied."`
}

// An AssignQuestion asks what keeps somebody from giving a role at a node.
type AssignQuestion struct {
	Actor   *Subject `json:"actor,omitempty" doc:"Who would give it. Absent: whoever asks."`
	Node    string   `json:"node" maxLength:"2000" doc:"Id or path."`
	Subject Subject  `json:"subject"`
	Role    string   `json:"role" maxLength:"200"`
}

// An Explanation answers an ExplainQuestion: the member of what was asked is there.
type Explanation struct {
	Access     *AccessExplanation     `json:"access,omitempty"`
	Assignment *AssignmentExplanation `json:"assignment,omitempty"`
	Denial     *TokenDenial           `json:"denial,omitempty"`
}

// An AccessExplanation says how a decision came about and what would change it.
type AccessExplanation struct {
	AccessDecision
	Subject   Subject        `json:"subject"`
	Action    string         `json:"action"`
	Node      string         `json:"node" doc:"The node's path."`
	DecidedBy string         `json:"decided_by,omitempty" doc:"The layer that decided at the node, where the model lets one decide."`
	Findings  []string       `json:"findings" doc:"What led to the decision, in words."`
	Steps     []AccessStep   `json:"steps" doc:"The node asked about first, then upward. Whoever asks about himself sees the nodes that he may know."`
	Changes   []AccessChange `json:"changes" doc:"What would permit it. Empty when it is permitted."`
	Token     *TokenAge      `json:"token,omitempty"`
	// Migration is why somebody who could do this in another system cannot yet.
	Migration *PendingMigration `json:"migration,omitempty" doc:"A role of another system that waits to be brought over. Only when it is not permitted."`
}

// An AccessStep is what the subject holds at one node on the way.
type AccessStep struct {
	Node         string         `json:"node" doc:"The node's path."`
	Level        string         `json:"level"`
	Roles        []string       `json:"roles"`
	Permits      bool           `json:"permits" doc:"A role held here carries the permission."`
	DecidedBy    string         `json:"decided_by,omitempty"`
	Restricted   string         `json:"restricted,omitempty" doc:"suspended, external_users or disabled: what is held here counts for nothing but what is public."`
	RestrictedAt string         `json:"restricted_at,omitempty"`
	Reasons      []AccessReason `json:"reasons"`
}

// An AccessChange is something that would permit what was asked, and who could do it.
type AccessChange struct {
	Change string          `json:"change" doc:"In words."`
	Role   string          `json:"role,omitempty" doc:"The role to give."`
	Node   string          `json:"node" doc:"Where."`
	Needs  []string        `json:"needs" doc:"Any of these permissions is what it takes."`
	Who    []AccessSubject `json:"who" doc:"Some who could do it now."`
	More   bool            `json:"more,omitempty" doc:"There are others."`
}

// A TokenAge compares the access_rev of a token with today.
type TokenAge struct {
	Older  bool   `json:"older" doc:"The token is older than the last change of what the decision rests on: a new one may say something else."`
	Detail string `json:"detail"`
}

// An AssignmentExplanation says whether a role could be given and, if not, what is missing.
type AssignmentExplanation struct {
	Allowed    bool            `json:"allowed"`
	Code       string          `json:"code,omitempty" doc:"The code with which it is refused."`
	Detail     string          `json:"detail,omitempty"`
	Node       string          `json:"node"`
	Role       string          `json:"role"`
	Assignable bool            `json:"assignable" doc:"Somebody may give this role to this kind of subject at the node."`
	Needs      []string        `json:"needs" doc:"Any of these permissions is what it takes."`
	Missing    bool            `json:"missing" doc:"The actor holds none of them."`
	Who        []AccessSubject `json:"who" doc:"Some who could give it now."`
	More       bool            `json:"more,omitempty" doc:"There are others."`
}

// A TokenDenial is why the token endpoint refused an authenticated client.
type TokenDenial struct {
	RequestID    string    `json:"request_id"`
	At           time.Time `json:"at,omitzero"`
	Client       string    `json:"client_id"`
	Subject      string    `json:"subject,omitempty"`
	Organization string    `json:"organization,omitempty" doc:"The one that was asked for, as it was named."`
	Audiences    []string  `json:"audiences,omitempty" doc:"Those that were asked for."`
	Code         string    `json:"code" doc:"The error of the token endpoint."`
	Detail       string    `json:"detail"`
}

// CheckAccess asks whether somebody may do something at a node.
func (c *Client) CheckAccess(ctx context.Context, q AccessQuestion) (AccessDecision, error) {
	v, _, err := send[AccessDecision](ctx, c, http.MethodPost, "/access/check", "", q)
	return v, err
}

// ExplainAccess asks why.
func (c *Client) ExplainAccess(ctx context.Context, q ExplainQuestion) (Explanation, error) {
	v, _, err := send[Explanation](ctx, c, http.MethodPost, "/access/explain", "", q)
	return v, err
}

// WhoCan lists who may do something at a node, or has access to it.
func (c *Client) WhoCan(ctx context.Context, q WhoQuestion, o PageOptions) (Page[AccessEntry], error) {
	var v Page[AccessEntry]
	_, err := c.do(ctx, call{method: http.MethodPost, path: "/access/who", query: o.query(), body: q, answer: &v})
	return v, err
}

// ListAccess lists who has access to a node, and why.
func (c *Client) ListAccess(ctx context.Context, node string, o PageOptions) (Page[AccessEntry], error) {
	v, _, err := get[Page[AccessEntry]](ctx, c, "/nodes"+segment(node)+"/access", o.query())
	return v, err
}
