package access

import (
	"go.yaml.in/yaml/v3"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

func (r *reader) level(n *yaml.Node, path string, l *LevelSchema) {
	permissions := func(dst *[]iam.Permission) func(*yaml.Node, string) {
		return into(dst, func(n *yaml.Node, p string) []iam.Permission { return names[iam.Permission](r, n, p) })
	}
	r.object(n, path, fields{
		"parent":    func(n *yaml.Node, p string) { l.Parent = name[iam.Level](r, n, p) },
		"exclusive": into(&l.Exclusive, r.flag),
		"see":       permissions(&l.See),
		"join_role": func(n *yaml.Node, p string) { l.JoinRole = name[iam.RoleID](r, n, p) },
		"kinds":     func(n *yaml.Node, p string) { l.Kinds = names[string](r, n, p) },
		"settings": func(n *yaml.Node, p string) {
			r.each(n, p, func(id, p string, v *yaml.Node) {
				r.key(id, p)
				l.Settings = append(l.Settings, r.setting(id, v, p))
			})
		},
		"public": func(n *yaml.Node, p string) {
			l.Public = &PublicRule{Grants: map[string]iam.RoleID{}}
			r.object(n, p, fields{
				"setting": func(n *yaml.Node, p string) { l.Public.Setting = name[string](r, n, p) },
				"grants": func(n *yaml.Node, p string) {
					r.each(n, p, func(value, p string, v *yaml.Node) { l.Public.Grants[value] = name[iam.RoleID](r, v, p) })
				},
			})
		},
		"restrict": func(n *yaml.Node, p string) { l.Restrict = names[Restriction](r, n, p) },
		"manage":   func(n *yaml.Node, p string) { r.manage(n, p, &l.Manage) },
		"groups": func(n *yaml.Node, p string) {
			r.object(n, p, fields{
				"custom": func(n *yaml.Node, p string) { r.object(n, p, fields{"create": permissions(&l.Groups.Create)}) },
				"system": func(n *yaml.Node, p string) {
					r.items(n, p, func(p string, v *yaml.Node) { l.Groups.System = append(l.Groups.System, r.systemGroup(v, p)) })
				},
			})
		},
		"admin": func(n *yaml.Node, p string) {
			r.object(n, p, fields{
				"create":       permissions(&l.Admin.Create),
				"configure":    permissions(&l.Admin.Configure),
				"delete":       permissions(&l.Admin.Delete),
				"review":       permissions(&l.Admin.Review),
				"audit":        permissions(&l.Admin.Audit),
				"custom_roles": permissions(&l.Admin.CustomRoles),
			})
		},
		"roles": func(n *yaml.Node, p string) {
			r.each(n, p, func(id, p string, v *yaml.Node) {
				r.key(id, p)
				l.Roles = append(l.Roles, r.role(id, v, p))
			})
		},
	})
	for _, key := range []string{"see", "roles"} {
		if r.lines[join(path, key)] == 0 {
			r.fault(join(path, key), "required")
		}
	}
}

func (r *reader) setting(id string, n *yaml.Node, path string) Setting {
	s := Setting{Name: id}
	r.object(n, path, fields{
		"values": func(n *yaml.Node, p string) {
			if n.Kind == yaml.ScalarNode && n.Value == "node" {
				s.Node = true
				return
			}
			if n.Kind == yaml.ScalarNode {
				r.faultAt(n.Line, p, "want a list of values, or node")
				return
			}
			s.Values = names[string](r, n, p)
		},
		"default": func(n *yaml.Node, p string) { s.Default = name[string](r, n, p) },
		"change":  func(n *yaml.Node, p string) { s.Change = name[iam.Permission](r, n, p) },
	})
	for _, key := range []string{"values", "change"} {
		if r.lines[join(path, key)] == 0 {
			r.fault(join(path, key), "required")
		}
	}
	return s
}

func (r *reader) systemGroup(n *yaml.Node, path string) SystemGroup {
	var g SystemGroup
	r.object(n, path, fields{
		"name": into(&g.Name, r.text),
		"members": func(n *yaml.Node, p string) {
			if got := r.text(n, p); got != "assigned_here" {
				r.fault(p, "want assigned_here, got %q", got)
			}
		},
		"hidden":    into(&g.Hidden, r.flag),
		"preselect": func(n *yaml.Node, p string) { g.Preselect = name[iam.Level](r, n, p) },
		"holds_at":  func(n *yaml.Node, p string) { g.HoldsAt = names[iam.Level](r, n, p) },
	})
	for _, key := range []string{"name", "members", "holds_at"} {
		if r.lines[join(path, key)] == 0 {
			r.fault(join(path, key), "required")
		}
	}
	return g
}

func (r *reader) manage(n *yaml.Node, path string, m *Manage) {
	right := func(dst *Right) func(*yaml.Node, string) {
		return func(n *yaml.Node, p string) {
			switch {
			case n.Kind == yaml.ScalarNode && n.Value == "system":
				dst.System = true
			case n.Kind == yaml.ScalarNode && n.Value == "config":
				dst.Config = true
			default:
				dst.AnyOf = names[iam.Permission](r, n, p)
			}
		}
	}
	r.object(n, path, fields{"assign": right(&m.Assign), "change": right(&m.Change), "revoke": right(&m.Revoke)})
}

func (r *reader) role(id string, n *yaml.Node, path string) RoleSchema {
	ro := RoleSchema{ID: iam.RoleID(id)}
	r.object(n, path, fields{
		"permissions": func(n *yaml.Node, p string) { ro.Permissions = names[iam.Permission](r, n, p) },
		"extends":     func(n *yaml.Node, p string) { ro.Extends = names[iam.RoleID](r, n, p) },
		"implies": func(n *yaml.Node, p string) {
			r.items(n, p, func(p string, v *yaml.Node) { ro.Implies = append(ro.Implies, r.implication(v, p)) })
		},
		"holders": func(n *yaml.Node, p string) { ro.Holders = names[iam.SubjectKind](r, n, p) },
		"min":     into(&ro.Min, r.count),
		"max":     into(&ro.Max, r.count),
		"self": func(n *yaml.Node, p string) {
			switch got := r.text(n, p); got {
			case "locked":
				ro.SelfLocked = true
			case "free":
			default:
				r.fault(p, "want locked or free, got %q", got)
			}
		},
		"duplicable": into(&ro.Duplicable, r.flag),
		"manage":     func(n *yaml.Node, p string) { r.manage(n, p, &ro.Manage) },
	})
	if r.lines[join(path, "holders")] == 0 {
		r.fault(join(path, "holders"), "required")
	}
	return ro
}

func (r *reader) implication(n *yaml.Node, path string) Implication {
	im := Implication{As: LayerImplied}
	r.object(n, path, fields{
		"at":      func(n *yaml.Node, p string) { im.At = name[iam.Level](r, n, p) },
		"role":    func(n *yaml.Node, p string) { im.Role = name[iam.RoleID](r, n, p) },
		"setting": func(n *yaml.Node, p string) { im.Setting = name[string](r, n, p) },
		"via":     func(n *yaml.Node, p string) { im.Via = names[iam.Level](r, n, p) },
		"only":    func(n *yaml.Node, p string) { im.Only = name[string](r, n, p) },
		"as":      func(n *yaml.Node, p string) { im.As = name[Layer](r, n, p) },
	})
	if (im.Role == "") == (im.Setting == "") {
		r.fault(path, "want either role, or setting with via")
	}
	return im
}
