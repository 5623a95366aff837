package directory

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// internal are the collections whose changes follow from those of others: indexes, and what is owed.
var internal = map[string]bool{
	"nodename": true, "child": true, "username": true, "groupname": true, "clientname": true, "secretof": true, "origin": true, "audname": true,
	"userlogin": true, "loginname": true, "mapped": true,
	"modelname": true, "modelsource": true, "modeltree": true, "holding": true, "debt": true, "audit": true, "audithead": true,
}

// A describer makes the events of a change to a record of its collection.
type describer func(w *work, c store.Changed) ([]audit.Event, error)

// describers are how the changes to each collection are told. One that is not here is told by describeOther.
var describers = map[string]describer{
	"meta":          describePlain("installation", nil),
	"key":           describePlain("key", nil),
	"user":          describePlain("user", nil),
	"audience":      describePlain("audience", nil),
	"connector":     describePlain("connector", nil),
	"node":          describeNode,
	"group":         describeGroup,
	"groupmember":   describeGroupMember,
	"client":        describeClient,
	"assign":        describeAssignment,
	"customrole":    describeCustomRoles,
	"login":         describeLogin,
	"model":         describeModel,
	"migration":     describePlain("migration", func(record fields) iam.NodeID { return iam.NodeID(record.text("node")) }),
	"migrationpart": describeMigrationPart,
	"review":        describeReview,
	"reviewblock":   describeReviewBlock,
}

func (w *work) describe(c store.Changed) ([]audit.Event, error) {
	describe := describers[c.Collection]
	if describe == nil {
		describe = describeOther
	}
	return describe(w, c)
}

// A verb is what became of a record.
func verb(c store.Changed) string {
	switch {
	case c.Before == nil:
		return "create"
	case c.After == nil:
		return "delete"
	}
	return "update"
}

// event makes an event at a node. before and after are members that differ.
func (w *work) event(action, subject string, node iam.NodeID, before, after fields) (audit.Event, error) {
	stream, err := w.streamOf(node)
	return audit.Event{
		Stream: stream, Action: action, Subject: subject, Node: string(node), Before: before.json(), After: after.json(),
	}, err
}

// describePlain tells what became of a record whose kind and id say what it is. at finds its node, where it has one.
func describePlain(kind string, at func(record fields) iam.NodeID) describer {
	return func(w *work, c store.Changed) ([]audit.Event, error) {
		before, after := differing(c)
		var node iam.NodeID
		if at != nil {
			node = at(whole(c))
		}
		e, err := w.event(kind+"."+verb(c), kind+":"+c.ID, node, before, after)
		return []audit.Event{e}, err
	}
}

// describeOther tells of a record that this file knows nothing of which members changed, and shows none: one may be a secret.
func describeOther(w *work, c store.Changed) ([]audit.Event, error) {
	before, after := differing(c)
	names := slices.Compact(slices.Sorted(func(yield func(string) bool) {
		for _, m := range []fields{before, after} {
			for name := range m {
				if !yield(name) {
					return
				}
			}
		}
	}))
	list, err := json.Marshal(names)
	if err != nil {
		return nil, err
	}
	record := whole(c)
	node := iam.NodeID(record.text("node"))
	if org := record.text("organization"); node == "" {
		node = iam.NodeID(org)
	}
	e, err := w.event(c.Collection+".change", c.Collection+":"+c.ID, node, nil, fields{"changed": list})
	return []audit.Event{e}, err
}

func describeNode(w *work, c store.Changed) (out []audit.Event, err error) {
	id := iam.NodeID(c.ID)
	before, after := differing(c)
	if c.Before != nil && c.After != nil {
		old, now := settings(before), settings(after)
		delete(before, "settings")
		delete(after, "settings")
		for _, name := range slices.Sorted(maps.Keys(union(old, now))) {
			if bytes.Equal(old[name], now[name]) {
				continue
			}
			e, err := w.event("setting.change", "setting:"+name, id, old.only(name), now.only(name))
			if err != nil {
				return nil, err
			}
			out = append(out, e)
		}
		if len(before)+len(after) == 0 {
			return out, nil
		}
	}
	e, err := w.event("node."+verb(c), "node:"+c.ID, id, before, after)
	return append(out, e), err
}

func settings(record fields) (out fields) {
	_ = json.Unmarshal(record["settings"], &out) // absent: none
	return out
}

func describeGroup(w *work, c store.Changed) ([]audit.Event, error) {
	before, after := differing(c)
	e, err := w.event("group."+verb(c), "group:"+c.ID, iam.NodeID(whole(c).text("node")), before, after)
	return []audit.Event{e}, err
}

func describeGroupMember(w *work, c store.Changed) ([]audit.Event, error) {
	id, user, _ := strings.Cut(c.ID, "/")
	var g *iam.Group
	err := w.Peek(func() (err error) {
		if g, err = w.Group(iam.GroupID(id)); err == nil && g == nil {
			g, err = w.Before().Group(iam.GroupID(id))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var node iam.NodeID
	if g != nil {
		node = g.Node
	}
	action, detail := "group_member.add", fields{"group": quote(id)}
	if c.After == nil {
		action = "group_member.remove"
	}
	e, err := w.event(action, "user:"+user, node, nil, detail)
	return []audit.Event{e}, err
}

// describeAssignment tells roles and suspension apart: they are one record.
func describeAssignment(w *work, c store.Changed) (out []audit.Event, err error) {
	node, subject, _ := strings.Cut(c.ID, "/")
	if strings.HasPrefix(subject, iam.LoginNamed(iam.ConnectorEmail, "").String()) {
		// An address is a person's to have forgotten, which a chain of hashes cannot do.
		if login, err := iam.ParseSubject(subject); err == nil {
			subject = "invitation:" + invitationID(iam.NodeID(node), login)
		}
	}
	before, after := membersOf(c.Before), membersOf(c.After)
	add := func(action string, old, now fields) error {
		e, err := w.event(action, subject, iam.NodeID(node), old, now)
		out = append(out, e)
		return err
	}
	if old, now := before["r"], after["r"]; !bytes.Equal(old, now) {
		action := "assignment.change"
		switch {
		case old == nil:
			action = "assignment.create"
		case now == nil:
			action = "assignment.delete"
		}
		if err := add(action, before.as("r", "roles"), after.as("r", "roles")); err != nil {
			return nil, err
		}
	}
	if old, now := before["i"], after["i"]; len(out) == 0 && !bytes.Equal(old, now) {
		if err := add("invitation.change", before.as("i", "invitation"), after.as("i", "invitation")); err != nil {
			return nil, err
		}
	}
	if old, now := before["s"], after["s"]; !bytes.Equal(old, now) {
		suspended := func(raw json.RawMessage) fields {
			if raw == nil {
				return fields{"suspended": json.RawMessage("false")}
			}
			return fields{"suspended": json.RawMessage("true")}
		}
		action := "member.suspend"
		if now == nil {
			action = "member.resume"
		}
		if err := add(action, suspended(old), suspended(now)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// describeLogin tells of an upstream account under the user that it is linked to.
func describeLogin(w *work, c store.Changed) ([]audit.Event, error) {
	before, after := differing(c)
	e, err := w.event("login."+verb(c), "user:"+whole(c).text("user"), "", before, after)
	return []audit.Event{e}, err
}

// describeCustomRoles tells each custom role of a node apart: they are one record.
func describeCustomRoles(w *work, c store.Changed) (out []audit.Event, err error) {
	roles := func(record []byte) (out fields) {
		var list []fields
		_ = json.Unmarshal(membersOf(record)["roles"], &list) // absent: none
		out = make(fields)
		for _, role := range list {
			out[role.text("id")] = role.json()
		}
		return out
	}
	before, after := roles(c.Before), roles(c.After)
	for _, id := range slices.Sorted(maps.Keys(union(before, after))) {
		part := store.Changed{Before: before[id], After: after[id]}
		if bytes.Equal(part.Before, part.After) {
			continue
		}
		old, now := differing(part)
		e, err := w.event("custom_role."+verb(part), "role:"+id, iam.NodeID(c.ID), old, now)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// describeClient tells a client and each of its secrets apart: they are one record.
func describeClient(w *work, c store.Changed) (out []audit.Event, err error) {
	node := iam.NodeID(whole(c).text("organization"))
	before, after := differing(c)
	delete(before, "secrets")
	delete(after, "secrets")
	if len(before)+len(after) > 0 {
		e, err := w.event("client."+verb(c), "client:"+c.ID, node, before, after)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	old, now := secretsOf(c.Before), secretsOf(c.After)
	for _, id := range slices.Sorted(maps.Keys(union(old, now))) {
		if bytes.Equal(old[id], now[id]) {
			continue
		}
		action := "client_secret.expire"
		switch {
		case old[id] == nil:
			action = "client_secret.create"
		case now[id] == nil && slices.Contains(w.leaked, iam.SecretID(id)):
			action = "client_secret.leaked"
		case now[id] == nil:
			action = "client_secret.delete"
		}
		e, err := w.event(action, "client:"+c.ID, node, membersOf(old[id]), membersOf(now[id]))
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// secretsOf returns what may be told of a client's secrets, by their id.
func secretsOf(record []byte) fields {
	var list []iam.Secret
	_ = json.Unmarshal(membersOf(record)["secrets"], &list) // absent: none
	out := make(fields)
	for _, s := range list {
		told := fields{"id": quote(string(s.ID)), "name": quote(s.Name)}
		if !s.ExpiresAt.IsZero() {
			told["expires_at"] = quote(s.ExpiresAt.UTC().Format(timeFormat))
		}
		out[string(s.ID)] = told.json()
	}
	return out
}
