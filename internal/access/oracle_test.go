package access_test

import (
	"maps"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// An oracle is the evaluator as a reader would write it down from the definition: recursive, over names, without any preparation.
// It shares no code with the package but the schema.
type oracle struct {
	s    *access.Schema
	mem  *access.Memory
	memo map[question][]source // the recursion would ask the same again and again
}

type question struct {
	s iam.Subject
	n iam.NodeID
}

type source struct {
	role  iam.RoleID
	layer access.Layer
}

func (o oracle) level(id iam.Level) access.LevelSchema {
	i := slices.IndexFunc(o.s.Levels, func(l access.LevelSchema) bool { return l.ID == id })
	return o.s.Levels[i]
}

// closure is a role with all that it extends.
func (o oracle) closure(l access.LevelSchema, id iam.RoleID) []access.RoleSchema {
	i := slices.IndexFunc(l.Roles, func(r access.RoleSchema) bool { return r.ID == id })
	if i < 0 {
		return nil
	}
	out := []access.RoleSchema{l.Roles[i]}
	for _, e := range l.Roles[i].Extends {
		out = append(out, o.closure(l, e)...)
	}
	return out
}

func (o oracle) node(n iam.NodeID) *iam.Node { p := o.mem.Path(n); return p[len(p)-1] }

func (o oracle) value(n *iam.Node, setting string) string {
	if v := n.Settings[setting]; v != "" {
		return v
	}
	for _, s := range o.level(n.Level).Settings {
		if s.Name == setting {
			return s.Default
		}
	}
	return ""
}

// held is what is assigned to a holder at n and means something there.
func (o oracle) held(n iam.NodeID, holder iam.Subject) []iam.RoleID {
	l := o.level(o.node(n).Level)
	var out []iam.RoleID
	for _, id := range o.mem.Roles(n, holder) {
		if len(o.closure(l, id)) > 0 || o.custom(n, id) != nil {
			out = append(out, id)
		}
	}
	return out
}

func (o oracle) custom(n iam.NodeID, id iam.RoleID) *access.CustomRole {
	if l := o.level(o.node(n).Level); l.Exclusive || slices.ContainsFunc(o.s.Levels, func(l access.LevelSchema) bool { return len(o.closure(l, id)) > 0 }) {
		return nil
	}
	for _, at := range slices.Backward(o.mem.Path(n)) {
		for _, c := range o.mem.CustomRoles(at.ID) {
			if c.ID == id && c.Level == o.node(n).Level {
				return c
			}
		}
	}
	return nil
}

// groups is the custom groups of s that belong to a node on the way to n.
func (o oracle) groups(s iam.Subject, n iam.NodeID) []iam.Subject {
	if s.Kind != iam.SubjectUser {
		return nil
	}
	var out []iam.Subject
	for _, g := range o.mem.Groups(iam.UserID(s.ID)) {
		if slices.ContainsFunc(o.mem.Path(n), func(p *iam.Node) bool { return p.ID == g.Node }) {
			out = append(out, g.ID.Subject())
		}
	}
	return out
}

func (o oracle) assignedHere(s iam.Subject, n iam.NodeID) bool {
	for _, h := range append(o.groups(s, n), s) {
		if len(o.held(n, h)) > 0 {
			return true
		}
	}
	return false
}

func (o oracle) sources(s iam.Subject, n iam.NodeID) []source {
	var out []source
	path := o.mem.Path(n)
	here := path[len(path)-1]
	l := o.level(here.Level)
	if s.Kind != iam.SubjectAnonymous {
		for _, id := range o.held(n, s) {
			out = append(out, source{id, access.LayerDirect})
		}
	}
	groups := o.groups(s, n)
	for _, a := range path[:len(path)-1] {
		for _, g := range o.level(a.Level).Groups.System {
			if s.Kind == iam.SubjectUser && slices.Contains(g.HoldsAt, l.ID) && o.assignedHere(s, a.ID) {
				groups = append(groups, iam.GroupID(strings.ReplaceAll(g.Name, "{node}", string(a.ID))).Subject())
			}
		}
	}
	for _, g := range groups {
		for _, id := range o.held(n, g) {
			out = append(out, source{id, access.LayerGroup})
		}
	}
	for _, a := range path[:len(path)-1] {
		for id := range o.effective(s, a.ID) {
			for _, r := range o.closure(o.level(a.Level), id) {
				for _, im := range r.Implies {
					if im.At == l.ID {
						out = append(out, o.implied(path, a, im)...)
					}
				}
			}
		}
	}
	if l.Public != nil {
		if id, ok := l.Public.Grants[o.value(here, l.Public.Setting)]; ok {
			out = append(out, source{id, access.LayerPublic})
		}
	}
	return out
}

func (o oracle) implied(path []*iam.Node, from *iam.Node, im access.Implication) []source {
	if im.Only != "" && !slices.ContainsFunc(path, func(p *iam.Node) bool { return string(p.ID) == from.Settings[im.Only] }) {
		return nil
	}
	if im.Role != "" {
		return []source{{im.Role, im.As}}
	}
	via := im.Via
	if via == nil {
		via = []iam.Level{from.Level}
	}
	for _, l := range via {
		for _, p := range path {
			if v := p.Settings[im.Setting]; p.Level == l && v != "" {
				return []source{{iam.RoleID(v), im.As}}
			}
		}
	}
	for _, l := range via {
		for _, s := range o.level(l).Settings {
			if s.Name == im.Setting && s.Default != "" {
				return []source{{iam.RoleID(s.Default), access.LayerBuiltin}}
			}
		}
	}
	return nil
}

// counted is the sources that restriction and precedence leave.
func (o oracle) counted(s iam.Subject, n iam.NodeID) []source {
	q := question{s, n}
	if _, ok := o.memo[q]; !ok {
		o.memo[q] = o.count(s, n)
	}
	return o.memo[q]
}

func (o oracle) count(s iam.Subject, n iam.NodeID) []source {
	src := o.sources(s, n)
	path := o.mem.Path(n)
	for i, a := range path {
		l := o.level(a.Level)
		if a.Disabled {
			return nil
		}
		external := (s.Kind == iam.SubjectUser || s.Kind == iam.SubjectLogin) && slices.Contains(l.Restrict, access.RestrictExternalUsers) &&
			o.value(a, "external_users") == "blocked" && i < len(path)-1 && !o.own(s, a.ID)
		if external || slices.Contains(l.Restrict, access.RestrictSuspended) && o.mem.Suspended(a.ID, s) {
			src = slices.DeleteFunc(src, func(e source) bool { return e.layer != access.LayerPublic })
		}
	}
	keep := slices.Clone(o.s.Precedence.Add)
	for _, layer := range o.s.Precedence.Decide {
		if slices.ContainsFunc(src, func(e source) bool { return e.layer == layer }) {
			keep = append(keep, layer)
			break
		}
	}
	return slices.DeleteFunc(src, func(e source) bool { return !slices.Contains(keep, e.layer) })
}

func (o oracle) own(s iam.Subject, n iam.NodeID) bool {
	return slices.ContainsFunc(o.counted(s, n), func(e source) bool { return e.layer != access.LayerPublic })
}

func (o oracle) effective(s iam.Subject, n iam.NodeID) map[iam.RoleID]bool {
	out := map[iam.RoleID]bool{}
	for _, e := range o.counted(s, n) {
		out[e.role] = true
	}
	if l := o.level(o.node(n).Level); l.Exclusive {
		for _, r := range l.Roles {
			if out[r.ID] {
				return map[iam.RoleID]bool{r.ID: true}
			}
		}
	}
	return out
}

func (o oracle) permissions(s iam.Subject, n iam.NodeID) map[iam.Permission]bool {
	out := map[iam.Permission]bool{}
	for _, at := range o.mem.Path(n) {
		l := o.level(at.Level)
		for id := range o.effective(s, at.ID) {
			for _, r := range o.closure(l, id) {
				for _, p := range r.Permissions {
					out[p] = true
				}
			}
			if c := o.custom(at.ID, id); c != nil {
				for _, p := range c.Permissions {
					if slices.ContainsFunc(l.Roles, func(r access.RoleSchema) bool { return slices.Contains(r.Permissions, p) }) {
						out[p] = true
					}
				}
			}
		}
	}
	return out
}

func (o oracle) decide(s iam.Subject, p iam.Permission, n iam.NodeID) access.Decision {
	held := o.permissions(s, n)
	switch {
	case held[p]:
		return access.Allow
	case slices.ContainsFunc(o.level(o.node(n).Level).See, func(p iam.Permission) bool { return held[p] }):
		return access.Forbidden
	}
	return access.NotFound
}

func sorted[T ~string](set map[T]bool) []T {
	out := slices.Sorted(maps.Keys(set))
	if out == nil {
		out = []T{}
	}
	return out
}
