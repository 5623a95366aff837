package directory

import (
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/kv"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// pruneAssignments plans the end of what people and groups hold at a node and its document does not name.
func (t *set) pruneAssignments(n iam.NodeID, desired map[held]bool) error {
	there, err := t.Assignments(n)
	if err != nil {
		return err
	}
	for _, a := range there {
		for _, role := range a.Roles {
			if a.Subject.Kind == iam.SubjectClient || desired[held{a.Subject, role}] {
				continue // a client's document says what the client holds
			}
			if err := t.take("assignments", n, a.Subject, role); err != nil {
				return err
			}
		}
	}
	return nil
}

// take plans that a subject no longer holds a role.
func (t *set) take(field string, n iam.NodeID, s iam.Subject, role iam.RoleID) error {
	return t.goOn(t.step(func(w *work) (diff, error) {
		roles, err := w.Roles(n, s)
		if err != nil || !slices.Contains(roles, role) {
			return diff{}, err
		}
		return diff{action: apiv1.ActionChange, fields: []string{field}}, w.unassign(n, s, role)
	}))
}

// pruneMembers plans that only those named are in a group.
func (t *set) pruneMembers(n iam.NodeID, name string, members []string) error {
	g, err := t.GroupNamed(n, name)
	if err != nil || g == nil {
		return err
	}
	named := make(map[iam.UserID]bool, len(members))
	for _, ref := range members {
		u, err := t.findUser(ref)
		if err != nil {
			return err
		}
		if u != nil {
			named[u.ID] = true
		}
	}
	there, err := t.work.Members(g.ID)
	if err != nil {
		return err
	}
	for _, u := range there {
		if named[u] {
			continue
		}
		err := t.step(func(w *work) (diff, error) {
			return diff{action: apiv1.ActionChange, fields: []string{"members"}}, w.member(g.ID, u, false)
		})
		if err := t.goOn(err); err != nil {
			return err
		}
	}
	return nil
}

// pruneClient plans that a client has and holds only what the lists that its document gives name.
func (t *set) pruneClient(org iam.NodeID, name string, spec *apiv1.ClientSpec) error {
	c, err := t.ClientNamed(org, name)
	if err != nil || c == nil {
		return err
	}
	if spec.Secrets != nil {
		err := t.step(func(w *work) (diff, error) { return w.pruneSecrets(c.ID, spec.Secrets) })
		if err := t.goOn(err); err != nil {
			return err
		}
	}
	if spec.Assignments == nil {
		return nil
	}
	named := make(map[iam.NodeID][]iam.RoleID)
	if org != "" && spec.Role != "" {
		named[org] = []iam.RoleID{iam.RoleID(spec.Role)}
	}
	for _, a := range spec.Assignments {
		n, m, err := t.nodeAndModel(a.Node)
		if err != nil {
			return t.goOn(err)
		}
		role := iam.RoleID(a.Role)
		if l := m.Level(n.Level); role == "" && l != nil {
			role = l.JoinRole
		}
		named[n.ID] = append(named[n.ID], role)
	}
	nodes, err := nodesOf(t.Tx, c.ID.Subject())
	if err != nil {
		return err
	}
	for _, n := range nodes {
		if n == org && spec.Role == "" {
			continue
		}
		roles, err := t.Roles(n, c.ID.Subject())
		if err != nil {
			return err
		}
		for _, role := range roles {
			if slices.Contains(named[n], role) {
				continue
			}
			if err := t.take("assignments", n, c.ID.Subject(), role); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *work) pruneSecrets(id iam.ClientID, specs []apiv1.SecretSpec) (diff, error) {
	c, err := w.Client(id)
	if err != nil || c == nil {
		return diff{}, err
	}
	d := diff{action: apiv1.ActionChange}
	c.Secrets = slices.DeleteFunc(c.Secrets, func(x iam.Secret) bool {
		gone := !slices.ContainsFunc(specs, func(s apiv1.SecretSpec) bool { return s.Name == x.Name })
		if gone {
			d.fields = append(d.fields, "secrets["+x.Name+"]")
		}
		return gone
	})
	if len(d.fields) == 0 {
		return diff{}, nil
	}
	w.Safe()
	return d, w.PutClient(c)
}

// prune plans the end of all that no document names, connectors and clients first and audiences last. The client that the caller acts
// by stays, and so does the one of the command line, which no document has made.
func (t *set) prune() error {
	kept, err := t.kept()
	if err != nil {
		return err
	}
	if err := t.pruneConnectors(kept); err != nil {
		return err
	}
	clients, groups, nodes, roles, err := t.everything(kept)
	if err != nil {
		return err
	}
	// Roles come after the nodes: at those that end they are still held.
	for _, resources := range [][]resource{clients, groups, nodes, roles} {
		for _, r := range resources {
			if err := t.finish(r); err != nil {
				return err
			}
		}
	}
	if err := t.pruneModels(kept); err != nil {
		return err
	}
	for p := (store.PageOptions{Limit: kv.MaxPage}); ; {
		page, err := t.s.Store.Users(t.ctx, p)
		if err != nil {
			return err
		}
		for _, u := range page.Items {
			if !kept[apiv1.KindUser+" "+u.Name] && u.ID.Subject() != t.by.Subject {
				if err := t.finish(resource{apiv1.KindUser, u.Name, func() error { return t.deleteUser(u) }}); err != nil {
					return err
				}
			}
		}
		if p.After = page.Next; p.After == "" {
			break
		}
	}
	for p := (store.PageOptions{Limit: kv.MaxPage}); ; {
		page, err := t.s.Store.Audiences(t.ctx, p)
		if err != nil {
			return err
		}
		for _, a := range page.Items {
			if !kept[apiv1.KindAudience+" "+a.Name] {
				end := func() error {
					return t.step(func(w *work) (diff, error) {
						return diff{action: apiv1.ActionDelete}, w.deleteAudience(a.Identifier, either)
					})
				}
				if err := t.finish(resource{apiv1.KindAudience, a.Name, end}); err != nil {
					return err
				}
			}
		}
		if p.After = page.Next; p.After == "" {
			return nil
		}
	}
}

// pruneModels plans the end of models that no document names, when all that followed them has ended.
func (t *set) pruneModels(kept map[string]bool) error {
	for p := (store.PageOptions{Limit: kv.MaxPage}); ; {
		page, err := t.s.Store.Models(t.ctx, p)
		if err != nil {
			return err
		}
		for _, m := range page.Items {
			if kept[apiv1.KindModel+" "+m.Name] {
				continue
			}
			end := func() error {
				return t.step(func(w *work) (diff, error) { return diff{action: apiv1.ActionDelete}, w.deleteModel(m.Name, either) })
			}
			if err := t.finish(resource{apiv1.KindModel, m.Name, end}); err != nil {
				return err
			}
		}
		if p.After = page.Next; p.After == "" {
			return nil
		}
	}
}

// pruneConnectors plans the end of connectors that no document names.
func (t *set) pruneConnectors(kept map[string]bool) error {
	for p := (store.PageOptions{Limit: kv.MaxPage}); ; {
		page, err := t.s.Store.Connectors(t.ctx, p)
		if err != nil {
			return err
		}
		for _, c := range page.Items {
			if kept[apiv1.KindConnector+" "+c.Name] {
				continue
			}
			end := func() error {
				return t.step(func(w *work) (diff, error) {
					return diff{action: apiv1.ActionDelete}, w.deleteConnector(c.Name, either)
				})
			}
			if err := t.finish(resource{apiv1.KindConnector, c.Name, end}); err != nil {
				return err
			}
		}
		if p.After = page.Next; p.After == "" {
			return nil
		}
	}
}

// A resource is something that prune ends.
type resource struct {
	kind, path string
	end        func() error
}

func (t *set) finish(r resource) error {
	t.line = apiv1.Change{Kind: r.kind, Name: r.path}
	t.tolerate = nil
	return t.keep(r.kind+" "+r.path, r.end())
}

// kept is what documents of any part name, by kind and by the path that the store would give it.
func (t *set) kept() (map[string]bool, error) {
	kept := make(map[string]bool)
	names := slices.Clone(t.request.Keep)
	for _, d := range t.docs {
		names = append(names, d.String())
	}
	for i := range t.request.Known {
		names = append(names, t.request.Known[i].String())
	}
	for _, name := range names {
		kind, path, _ := strings.Cut(name, " ")
		switch kind {
		case apiv1.KindOrganization, apiv1.KindNode:
			n, err := t.findNode(path)
			if err != nil {
				return nil, err
			}
			if n != nil {
				kept[string(n.ID)] = true
			}
		case apiv1.KindGroup, apiv1.KindClient, apiv1.KindCustomRole:
			if i := strings.LastIndexByte(path, '/'); i >= 0 {
				n, err := t.findNode(path[:i])
				if err != nil {
					return nil, err
				}
				if n == nil {
					continue
				}
				path = string(n.ID) + path[i:]
			}
			kept[kind+" "+path] = true
		default:
			kept[name] = true
		}
	}
	return kept, nil
}

// everything lists the clients, groups, nodes and custom roles that are not kept, what is below a node before the node.
func (t *set) everything(kept map[string]bool) (clients, groups, nodes, roles []resource, err error) {
	if clients, err = t.clientsOf("", "", kept); err != nil {
		return nil, nil, nil, nil, err
	}
	var visit func(n *iam.Node) error
	visit = func(n *iam.Node) error {
		path, err := t.pathOf(n.ID)
		if err != nil {
			return err
		}
		below, err := t.Children(n.ID)
		if err != nil {
			return err
		}
		for _, c := range below {
			if err := visit(c); err != nil {
				return err
			}
		}
		here, err := t.clientsOf(n.ID, path, kept)
		if err != nil {
			return err
		}
		clients = append(clients, here...)
		list, err := t.work.Groups(n.ID)
		if err != nil {
			return err
		}
		for _, g := range list {
			if !kept[apiv1.KindGroup+" "+string(n.ID)+"/"+g.Name] {
				groups = append(groups, resource{apiv1.KindGroup, path + "/" + g.Name, func() error { return t.deleteGroup(g.ID) }})
			}
		}
		if kept[string(n.ID)] {
			more, err := t.rolesToEnd(n.ID, path, kept)
			roles = append(roles, more...)
			return err
		}
		kind := apiv1.KindNode
		if n.Level == iam.LevelOrganization {
			kind = apiv1.KindOrganization
		}
		nodes = append(nodes, resource{kind, path, func() error { return t.deleteNode(n.ID) }})
		return nil
	}
	for p := (store.PageOptions{Limit: kv.MaxPage}); ; {
		page, err := t.s.Store.Organizations(t.ctx, p)
		if err != nil {
			return nil, nil, nil, nil, err
		}
		for _, n := range page.Items {
			if n.Parent == "" {
				if err := visit(n); err != nil {
					return nil, nil, nil, nil, err
				}
			}
		}
		if p.After = page.Next; p.After == "" {
			return clients, groups, nodes, roles, nil
		}
	}
}

// rolesToEnd lists the custom roles that a node defines and that are not kept.
func (t *set) rolesToEnd(n iam.NodeID, path string, kept map[string]bool) (out []resource, err error) {
	defined, err := t.CustomRoles(n)
	for _, c := range defined {
		if !kept[apiv1.KindCustomRole+" "+string(n)+"/"+string(c.ID)] {
			end := func() error {
				return t.step(func(w *work) (diff, error) { return diff{action: apiv1.ActionDelete}, w.deleteRole(n, c.ID, either) })
			}
			out = append(out, resource{apiv1.KindCustomRole, path + "/" + string(c.ID), end})
		}
	}
	return out, err
}

func (t *set) clientsOf(org iam.NodeID, path string, kept map[string]bool) (out []resource, err error) {
	prefix, scope := "", ""
	if org != "" {
		prefix, scope = path+"/", string(org)+"/"
	}
	for p := (store.PageOptions{Limit: kv.MaxPage}); ; {
		page, err := t.s.Store.Clients(t.ctx, org, p)
		if err != nil {
			return nil, err
		}
		for _, c := range page.Items {
			if !kept[apiv1.KindClient+" "+scope+c.Name] && c.ID.Subject() != t.by.Subject && c.ID != iam.CommandLineID {
				out = append(out, resource{apiv1.KindClient, prefix + c.Name, func() error { return t.deleteClient(c.ID) }})
			}
		}
		if p.After = page.Next; p.After == "" {
			return out, nil
		}
	}
}
