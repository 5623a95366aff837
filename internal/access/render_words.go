package access

import (
	"maps"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// notes says what holds for the whole model.
func (m *Model) notes() []string {
	out := []string{"Rights add up over everything that gives a role: assignments, groups, what a role above carries down, and what is public."}
	if p := m.schema.Precedence; len(p.Decide) > 0 {
		out[0] = "Of what gives a role at a node, the first of " + enumerate(p.Decide, " and ") + " that says anything decides"
		if len(p.Add) > 0 {
			out[0] += "; " + enumerate(p.Add, " and ") + " is always added"
		}
		out[0] += "."
	}
	if c := m.schema.Clients; c != nil {
		out = append(out, "Machine clients belong to a node of level `"+string(c.At)+"`; "+either(c.Manage)+" manages them.")
	}
	if s := m.schema.Seats; s != nil {
		out = append(out, "Everybody with a role at level "+either(s.Resource)+" takes a seat of the "+string(s.At)+".")
	}
	for _, op := range m.schema.Operations {
		out = append(out, operationInWords(&op))
	}
	return out
}

func operationInWords(op *Operation) string {
	needs := make([]string, len(op.Requires))
	for i, q := range op.Requires {
		needs[i] = "`" + string(q.Permission) + "` at the " + string(q.At)
	}
	out := "Operation `" + op.Name + "` takes " + strings.Join(needs, " and ")
	if op.Creates != "" {
		out += ", and makes a " + op.Creates
	}
	if op.CreatorGets != "" {
		out += ", whose `" + string(op.CreatorGets) + "` is who makes it"
	}
	return out + "."
}

// levelNotes says what holds for nodes of a level. n is the one that is there, nil for none.
func (m *Model) levelNotes(l *level, n *iam.Node) []string {
	out := []string{"Who has " + either(l.See) + " knows that it exists."}
	if l.Exclusive {
		out = append(out, "Everybody has one role here: the highest counts.")
	}
	for i := range l.Settings {
		out = append(out, settingInWords(&l.Settings[i], n))
	}
	if l.Public != nil {
		for _, value := range slices.Sorted(maps.Keys(l.Public.Grants)) {
			out = append(out, "Where `"+l.Public.Setting+"` is `"+value+"`, anyone, signed in or not, is `"+string(l.Public.Grants[value])+"`.")
		}
	}
	if l.suspends {
		out = append(out, "Who is suspended holds nothing here and below but what is public.")
	}
	if l.externals {
		out = append(out, "Where `external_users` is `blocked`, people without a role here hold nothing below but what is public.")
	}
	for _, step := range []struct {
		what  string
		anyOf []iam.Permission
	}{
		{"Making one", l.Admin.Create}, {"Renaming and describing it", l.Admin.Configure}, {"Ending it", l.Admin.Delete},
		{"Seeing who has access", l.Admin.Review}, {"Reading its audit log", l.Admin.Audit},
		{"Making roles of its own", l.Admin.CustomRoles}, {"Making groups", l.Groups.Create},
	} {
		if len(step.anyOf) > 0 {
			out = append(out, step.what+" takes "+either(step.anyOf)+".")
		}
	}
	for _, g := range l.Groups.System {
		out = append(out, "Everybody who is assigned a role here is in the group `"+g.Name+"`, which can hold roles at level "+either(g.HoldsAt)+".")
	}
	return out
}

func settingInWords(s *Setting, n *iam.Node) string {
	out := "Setting `" + s.Name + "` is " + either(s.Values)
	switch {
	case s.Node:
		out = "Setting `" + s.Name + "` names a node at or below it"
	case s.Default != "":
		out += ", by default `" + s.Default + "`"
	}
	if n != nil && n.Settings[s.Name] != "" {
		if s.Node {
			out += ", and is set"
		} else {
			out += ", and is set to `" + n.Settings[s.Name] + "`"
		}
	}
	return out + "; `" + string(s.Change) + "` changes it."
}

// roleNotes says what holds for a role of the model.
func (m *Model) roleNotes(ro *role) []string {
	out := []string{"changed " + rightInWords(ro.change.Right), "taken " + rightInWords(ro.revoke.Right)}
	if ro.level.JoinRole == ro.ID {
		out = append(out, "given to whoever comes without a role being named")
	}
	if ro.Min > 0 {
		out = append(out, "at least "+itoa(ro.Min)+" must hold it")
	}
	if ro.Max > 0 {
		out = append(out, "at most "+itoa(ro.Max)+" may hold it")
	}
	if ro.SelfLocked {
		out = append(out, "nobody changes or drops it for himself")
	}
	if ro.Duplicable {
		out = append(out, "a role of one's own may begin as a copy of it")
	}
	if len(ro.Extends) > 0 {
		out = append(out, "has all that "+enumerate(ro.Extends, " and ")+" has")
	}
	for _, im := range m.impliedBy(ro) {
		out = append(out, m.implicationInWords(&im))
	}
	return out
}

func (m *Model) implicationInWords(im *Implication) string {
	out := "is `" + string(im.Role) + "` at every " + string(im.At) + " below"
	if im.Setting != "" {
		out = "is at every " + string(im.At) + " below what the setting `" + im.Setting + "` says, of the nearest of " + either(im.Via) + " where it is set"
		for _, at := range im.Via {
			if s := m.levelOf[at].setting(im.Setting); s != nil && s.Default != "" {
				out += ", by default `" + s.Default + "`"
				break
			}
		}
	}
	if im.Only != "" {
		out += ", but only at and below the node that `" + im.Only + "` names"
	}
	return out
}

// Markdown is the page as a text with tables, under a title.
func (p *Page) Markdown(title string) string {
	var b strings.Builder
	line := func(parts ...string) {
		for _, s := range parts {
			b.WriteString(s)
		}
		b.WriteByte('\n')
	}
	line("# ", title)
	line()
	line("Access model `", p.Model, "`, revision ", itoa(p.Revision), ".")
	line()
	for _, n := range p.Notes {
		line("- ", n)
	}
	for _, l := range p.Levels {
		line()
		line("## ", string(l.ID))
		line()
		if len(l.Kinds) > 0 {
			line("- A node here is a ", either(l.Kinds), ".")
		}
		for _, n := range l.Notes {
			line("- ", n)
		}
		l.roleTable(line)
		l.rightTable(line)
	}
	return b.String()
}

func (l *PageLevel) roleTable(line func(...string)) {
	line()
	line("| role | may be held by | assigned by | |")
	line("|---|---|---|---|")
	for _, ro := range l.Roles {
		by := "-"
		if len(ro.AssignedBy) > 0 {
			by = enumerate(ro.AssignedBy, ", ")
		}
		line("| `", string(ro.ID), "` | ", enumerate(ro.Holders, ", "), " | ", by, " | ", strings.Join(ro.Notes, "; "), " |")
	}
}

func (l *PageLevel) rightTable(line func(...string)) {
	if len(l.Rights) == 0 {
		return
	}
	line()
	head, rule := "| right |", "|---|"
	for _, id := range l.Columns {
		head += " `" + string(id) + "` |"
		rule += "---|"
	}
	line(head)
	line(rule)
	depends := false
	for _, row := range l.Rights {
		text := "| `" + string(row.Permission) + "` |"
		for _, c := range row.Cells {
			text += " " + c.String() + " |"
			depends = depends || c.Depends
		}
		line(text)
	}
	if depends {
		line()
		line("`*`: as settings are now; another value changes it.")
	}
}

// String is "yes" or "no", with a star when settings decide.
func (c Cell) String() string {
	out := "no"
	if c.Held {
		out = "yes"
	}
	if c.Depends {
		out += " *"
	}
	return out
}
