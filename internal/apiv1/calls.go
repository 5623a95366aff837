package apiv1

import (
	"context"
	"net/http"
)

// The calls of the API, noun by noun. A node, an organization among them, is named by its id or its path "acme/web"; a user,
// group and audience by id or name; a client by its client id. An update replaces the whole spec; with the ETag of a resource
// that was read ("": whatever is there) it is refused, as "stale", when somebody has changed it since.

// Whoami returns who the token speaks for.
func (c *Client) Whoami(ctx context.Context) (Identity, error) {
	v, _, err := get[Identity](ctx, c, "/whoami", nil)
	return v, err
}

// ListOrganizations lists organizations, and nodes without a parent, by name.
func (c *Client) ListOrganizations(ctx context.Context, o PageOptions) (Page[Node], error) {
	v, _, err := get[Page[Node]](ctx, c, "/organizations", o.query())
	return v, err
}

// GetOrganization returns an organization.
func (c *Client) GetOrganization(ctx context.Context, org string) (Node, error) {
	v, etag, err := get[Node](ctx, c, "/organizations"+segment(org), nil)
	v.ETag = etag
	return v, err
}

// CreateOrganization makes an organization.
func (c *Client) CreateOrganization(ctx context.Context, n NewNode) (Node, error) {
	v, etag, err := create[Node](ctx, c, "/organizations", n)
	v.ETag = etag
	return v, err
}

// UpdateOrganization replaces an organization's spec.
func (c *Client) UpdateOrganization(ctx context.Context, org string, s NodeSpec, etag string) (Node, error) {
	v, etag, err := send[Node](ctx, c, http.MethodPut, "/organizations"+segment(org), etag, s)
	v.ETag = etag
	return v, err
}

// DeleteOrganization ends an organization without nodes, clients and groups. Whoever held a role at it loses it.
func (c *Client) DeleteOrganization(ctx context.Context, org string) error {
	return c.delete(ctx, "/organizations"+segment(org))
}

// ListNodes lists the nodes right below one.
func (c *Client) ListNodes(ctx context.Context, parent string, o PageOptions) (Page[Node], error) {
	v, _, err := get[Page[Node]](ctx, c, "/nodes"+segment(parent)+"/nodes", o.query())
	return v, err
}

// GetNode returns a node of any level.
func (c *Client) GetNode(ctx context.Context, node string) (Node, error) {
	v, etag, err := get[Node](ctx, c, "/nodes"+segment(node), nil)
	v.ETag = etag
	return v, err
}

// CreateNode makes a node of any level.
func (c *Client) CreateNode(ctx context.Context, n NewNode) (Node, error) {
	v, etag, err := create[Node](ctx, c, "/nodes", n)
	v.ETag = etag
	return v, err
}

// UpdateNode replaces a node's spec.
func (c *Client) UpdateNode(ctx context.Context, node string, s NodeSpec, etag string) (Node, error) {
	v, etag, err := send[Node](ctx, c, http.MethodPut, "/nodes"+segment(node), etag, s)
	v.ETag = etag
	return v, err
}

// ChangeNode is UpdateNode that can give the node another name, too. Whoever refers to it by path has to follow.
func (c *Client) ChangeNode(ctx context.Context, node string, n NodeChange, etag string) (Node, error) {
	v, etag, err := send[Node](ctx, c, http.MethodPut, "/nodes"+segment(node), etag, n)
	v.ETag = etag
	return v, err
}

// DeleteNode is DeleteOrganization for a node of any level.
func (c *Client) DeleteNode(ctx context.Context, node string) error {
	return c.delete(ctx, "/nodes"+segment(node))
}

// ListAssignments lists who holds which roles at a node; somebody with several roles has several entries.
func (c *Client) ListAssignments(ctx context.Context, node string, o PageOptions) (Page[Assignment], error) {
	v, _, err := get[Page[Assignment]](ctx, c, "/nodes"+segment(node)+"/assignments", o.query())
	return v, err
}

// Assign gives a role at a node. Where a level takes one role per subject, it replaces the one held.
func (c *Client) Assign(ctx context.Context, node string, a Assignment) (Assignment, error) {
	v, _, err := send[Assignment](ctx, c, http.MethodPost, "/nodes"+segment(node)+"/assignments", "", a)
	return v, err
}

// Unassign takes a role at a node away; with Role "", all that the subject holds there and below.
func (c *Client) Unassign(ctx context.Context, node string, a Assignment) error {
	_, err := c.do(ctx, call{method: http.MethodPost, path: "/nodes" + segment(node) + "/assignments/remove", body: a})
	return err
}

// ListUsers lists users by name.
func (c *Client) ListUsers(ctx context.Context, o PageOptions) (Page[User], error) {
	v, _, err := get[Page[User]](ctx, c, "/users", o.query())
	return v, err
}

// GetUser returns a user.
func (c *Client) GetUser(ctx context.Context, user string) (User, error) {
	v, etag, err := get[User](ctx, c, "/users"+segment(user), nil)
	v.ETag = etag
	return v, err
}

// CreateUser makes a user.
func (c *Client) CreateUser(ctx context.Context, u NewUser) (User, error) {
	v, etag, err := create[User](ctx, c, "/users", u)
	v.ETag = etag
	return v, err
}

// UpdateUser replaces a user's spec. A spec without password leaves it as it is.
func (c *Client) UpdateUser(ctx context.Context, user string, s UserSpec, etag string) (User, error) {
	v, etag, err := send[User](ctx, c, http.MethodPut, "/users"+segment(user), etag, s)
	v.ETag = etag
	return v, err
}

// DeleteUser ends a user, the roles and the memberships.
func (c *Client) DeleteUser(ctx context.Context, user string) error {
	return c.delete(ctx, "/users"+segment(user))
}

// ListGroups lists the groups of a node by name.
func (c *Client) ListGroups(ctx context.Context, node string, o PageOptions) (Page[Group], error) {
	v, _, err := get[Page[Group]](ctx, c, "/nodes"+segment(node)+"/groups", o.query())
	return v, err
}

// SearchGroups lists the groups whose names begin with prefix and that may hold roles at a node: those that the model computes,
// those of the node and those of nodes above it.
func (c *Client) SearchGroups(ctx context.Context, node, prefix string, o PageOptions) (Page[Group], error) {
	v, _, err := get[Page[Group]](ctx, c, "/nodes"+segment(node)+"/groups", o.query("search", prefix))
	return v, err
}

// GetGroup returns a group of a node.
func (c *Client) GetGroup(ctx context.Context, node, group string) (Group, error) {
	v, etag, err := get[Group](ctx, c, "/nodes"+segment(node)+"/groups"+segment(group), nil)
	v.ETag = etag
	return v, err
}

// CreateGroup makes a group at a node.
func (c *Client) CreateGroup(ctx context.Context, node string, g NewGroup) (Group, error) {
	v, etag, err := create[Group](ctx, c, "/nodes"+segment(node)+"/groups", g)
	v.ETag = etag
	return v, err
}

// DeleteGroup ends a group and what it holds.
func (c *Client) DeleteGroup(ctx context.Context, node, group string) error {
	return c.delete(ctx, "/nodes"+segment(node)+"/groups"+segment(group))
}

// ListMembers lists who is in a group.
func (c *Client) ListMembers(ctx context.Context, node, group string, o PageOptions) (Page[Member], error) {
	v, _, err := get[Page[Member]](ctx, c, "/nodes"+segment(node)+"/groups"+segment(group)+"/members", o.query())
	return v, err
}

// AddMember puts a user into a group.
func (c *Client) AddMember(ctx context.Context, node, group, user string) error {
	_, err := c.do(ctx, call{method: http.MethodPut, path: "/nodes" + segment(node) + "/groups" + segment(group) + "/members" + segment(user)})
	return err
}

// RemoveMember takes a user out of a group.
func (c *Client) RemoveMember(ctx context.Context, node, group, user string) error {
	return c.delete(ctx, "/nodes"+segment(node)+"/groups"+segment(group)+"/members"+segment(user))
}

// ListAudiences lists audiences by name.
func (c *Client) ListAudiences(ctx context.Context, o PageOptions) (Page[Audience], error) {
	v, _, err := get[Page[Audience]](ctx, c, "/audiences", o.query())
	return v, err
}

// GetAudience returns an audience by name.
func (c *Client) GetAudience(ctx context.Context, name string) (Audience, error) {
	v, etag, err := get[Audience](ctx, c, "/audiences"+segment(name), nil)
	v.ETag = etag
	return v, err
}

// CreateAudience makes an audience.
func (c *Client) CreateAudience(ctx context.Context, a NewAudience) (Audience, error) {
	v, etag, err := create[Audience](ctx, c, "/audiences", a)
	v.ETag = etag
	return v, err
}

// UpdateAudience replaces an audience's spec; its identifier stays.
func (c *Client) UpdateAudience(ctx context.Context, name string, s AudienceSpec, etag string) (Audience, error) {
	v, etag, err := send[Audience](ctx, c, http.MethodPut, "/audiences"+segment(name), etag, s)
	v.ETag = etag
	return v, err
}

// DeleteAudience ends an audience: clients can no longer ask for it. Tokens that are out live to their end.
func (c *Client) DeleteAudience(ctx context.Context, name string) error {
	return c.delete(ctx, "/audiences"+segment(name))
}

// ListClients lists the clients of an organization, or of the platform with "", by name.
func (c *Client) ListClients(ctx context.Context, org string, o PageOptions) (Page[OAuthClient], error) {
	path := "/clients"
	if org != "" {
		path = "/organizations" + segment(org) + "/clients"
	}
	v, _, err := get[Page[OAuthClient]](ctx, c, path, o.query())
	return v, err
}

// GetClient returns a client.
func (c *Client) GetClient(ctx context.Context, id string) (OAuthClient, error) {
	v, etag, err := get[OAuthClient](ctx, c, "/clients"+segment(id), nil)
	v.ETag = etag
	return v, err
}

// CreateClient makes a client. When it needs a secret and the request brings none, the answer has a generated one, this once.
func (c *Client) CreateClient(ctx context.Context, n NewClient) (ClientCreated, error) {
	v, etag, err := create[ClientCreated](ctx, c, "/clients", n)
	v.ETag = etag
	return v, err
}

// UpdateClient replaces a client's spec. Its secrets, and a role or assignments that the spec does not name, stay as they are.
func (c *Client) UpdateClient(ctx context.Context, id string, s ClientSpec, etag string) (OAuthClient, error) {
	v, etag, err := send[OAuthClient](ctx, c, http.MethodPut, "/clients"+segment(id), etag, s)
	v.ETag = etag
	return v, err
}

// DisableClient ends a client's tokens and gives it no more.
func (c *Client) DisableClient(ctx context.Context, id string) (OAuthClient, error) {
	v, etag, err := send[OAuthClient](ctx, c, http.MethodPost, "/clients"+segment(id)+"/disable", "", nil)
	v.ETag = etag
	return v, err
}

// EnableClient undoes DisableClient; tokens that it ended stay dead.
func (c *Client) EnableClient(ctx context.Context, id string) (OAuthClient, error) {
	v, etag, err := send[OAuthClient](ctx, c, http.MethodPost, "/clients"+segment(id)+"/enable", "", nil)
	v.ETag = etag
	return v, err
}

// DeleteClient ends a client, its roles and its tokens.
func (c *Client) DeleteClient(ctx context.Context, id string) error {
	return c.delete(ctx, "/clients"+segment(id))
}

// ListSecrets lists a client's secrets, without the secrets.
func (c *Client) ListSecrets(ctx context.Context, id string) (Page[Secret], error) {
	v, _, err := get[Page[Secret]](ctx, c, "/clients"+segment(id)+"/secrets", nil)
	return v, err
}

// RotateSecret makes a new secret, which the answer shows once, and schedules the end of the old ones.
func (c *Client) RotateSecret(ctx context.Context, id string, r SecretRotation) (SecretCreated, error) {
	v, _, err := create[SecretCreated](ctx, c, "/clients"+segment(id)+"/secrets", r)
	return v, err
}

// DeleteSecret ends a secret, by id or name, at once.
func (c *Client) DeleteSecret(ctx context.Context, id, secret string) error {
	return c.delete(ctx, "/clients"+segment(id)+"/secrets"+segment(secret))
}

// ListKeys lists the signing keys.
func (c *Client) ListKeys(ctx context.Context) (Page[Key], error) {
	v, _, err := get[Page[Key]](ctx, c, "/keys", nil)
	return v, err
}

// RotateKey asks for a new signing key of an algorithm, which takes over once every verifier can know it. It returns all keys.
func (c *Client) RotateKey(ctx context.Context, alg string) (Page[Key], error) {
	v, _, err := create[Page[Key]](ctx, c, "/keys", KeyRotation{Alg: alg})
	return v, err
}

// RemoveKey is the emergency: the key leaves the set at once and every token that it signed is dead.
func (c *Client) RemoveKey(ctx context.Context, kid string) error {
	return c.delete(ctx, "/keys"+segment(kid))
}

// ListRevocations lists the marks in force.
func (c *Client) ListRevocations(ctx context.Context, o PageOptions) (Page[Revocation], error) {
	v, _, err := get[Page[Revocation]](ctx, c, "/revocations", o.query())
	return v, err
}

// Revoke ends tokens, and returns when that will survive a crash.
func (c *Client) Revoke(ctx context.Context, r NewRevocation) (Revoked, error) {
	v, _, err := create[Revoked](ctx, c, "/revocations", r)
	return v, err
}
