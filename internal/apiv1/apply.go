package apiv1

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Apply makes documents true and returns what that took, or with DryRun would take. Their secrets must be resolved. Every fault
// of every document is found before anything is written; when it is interrupted, the same call finishes it.
//
// Many documents go to the server in parts: first every part is planned, with what it refers to of the other parts, and only
// then is the first one written.
func (c *Client) Apply(ctx context.Context, docs []Document, o ApplyOptions) (Plan, error) {
	docs = slices.Clone(docs)
	SortDocuments(docs)
	if err := checkResolved(docs, o.DryRun); err != nil {
		return Plan{}, err
	}
	parts, err := divide(docs, partSize)
	if err != nil {
		return Plan{}, err
	}
	requests := make([]ApplyRequest, len(parts))
	for i, part := range parts {
		requests[i] = ApplyRequest{Documents: part, Prune: o.Prune, Partial: len(parts) > 1, Known: known(docs, part), DryRun: o.DryRun}
	}
	if o.Prune && len(parts) > 1 {
		last := &requests[len(requests)-1]
		last.Partial = false
		for i := range docs {
			last.Keep = append(last.Keep, docs[i].String())
		}
	}
	if len(parts) == 1 {
		return c.apply(ctx, requests[0])
	}
	plan, err := c.planAll(ctx, requests)
	if err != nil || o.DryRun {
		return plan, err
	}
	// A node may give roles to a group, or name a node in a setting, that a later part brings: what waits for it is done
	// when the first part has been sent again.
	for range 2 {
		for _, r := range requests {
			if _, err := c.apply(ctx, r); err != nil {
				return plan, err
			}
		}
	}
	return plan, nil
}

func (c *Client) apply(ctx context.Context, r ApplyRequest) (Plan, error) {
	plan, _, err := send[Plan](ctx, c, http.MethodPost, "/apply", "", r)
	return plan, err
}

// planAll plans every part and puts the plans, or the faults, together.
func (c *Client) planAll(ctx context.Context, requests []ApplyRequest) (Plan, error) {
	plan := Plan{Changes: []Change{}}
	var refused *Error
	for _, r := range requests {
		r.DryRun = true
		p, err := c.apply(ctx, r)
		var e *Error
		switch {
		case err == nil:
			plan.Changes = append(plan.Changes, p.Changes...)
		case !errors.As(err, &e) || len(e.Errors) == 0:
			return Plan{}, err
		case refused == nil:
			refused = e
		default:
			refused.Errors = append(refused.Errors, e.Errors...)
		}
	}
	if refused != nil {
		return Plan{}, refused
	}
	return plan, nil
}

// Export returns documents for all that there is, without secrets: applied, they change nothing.
func (c *Client) Export(ctx context.Context) ([]Document, error) {
	var docs []Document
	for o := (PageOptions{}); ; {
		page, _, err := get[Export](ctx, c, "/export", o.query())
		if err != nil {
			return nil, err
		}
		docs = append(docs, page.Documents...)
		if page.NextPageToken == "" {
			return docs, nil
		}
		o.Token = page.NextPageToken
	}
}

func checkResolved(docs []Document, dryRun bool) error {
	check := func(d *Document, path string, ref *SecretRef) error {
		if ref.FromEnv+ref.FromFile+ref.WriteTo != "" && !(dryRun && ref.WriteTo != "") {
			return fmt.Errorf("%s: %s is not resolved", d, path)
		}
		return nil
	}
	for i := range docs {
		switch spec := docs[i].Spec.(type) {
		case *UserSpec:
			if spec.Password != nil {
				if err := check(&docs[i], "spec.password", spec.Password); err != nil {
					return err
				}
			}
		case *ConnectorSpec:
			if spec.ClientSecret != nil {
				if err := check(&docs[i], "spec.clientSecret", spec.ClientSecret); err != nil {
					return err
				}
			}
		case *ClientSpec:
			for k := range spec.Secrets {
				if err := check(&docs[i], "spec.secrets", &spec.Secrets[k].SecretRef); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// partSize leaves room in a body for what a part refers to.
const partSize = MaxBody / 2

// divide cuts documents into parts whose JSON takes at most size bytes each. There is at least one part.
func divide(docs []Document, size int) ([][]Document, error) {
	var parts [][]Document
	begin, taken := 0, 0
	for i := range docs {
		data, err := json.Marshal(&docs[i])
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", &docs[i], err)
		}
		if len(data) > size {
			return nil, fmt.Errorf("%s takes %d bytes, more than the %d that a document may have", &docs[i], len(data), size)
		}
		if taken+len(data)+1 > size {
			parts = append(parts, docs[begin:i])
			begin, taken = i, 0
		}
		taken += len(data) + 1
	}
	return append(parts, docs[begin:]), nil
}

// known returns the documents that part refers to and that are not in it, and whatever those stand below, each reduced to what
// names it and says what it is.
func known(all, part []Document) []Document {
	if len(part) == len(all) {
		return nil
	}
	index := make(map[string]*Document, len(all))
	for i := range all {
		d := &all[i]
		index[kindOf(d.Kind)+" "+d.Path()] = d
		switch spec := d.Spec.(type) {
		case *AudienceSpec:
			index[KindAudience+" "+spec.Identifier] = d
		case *ClientSpec:
			if spec.ClientID != "" {
				index["id "+spec.ClientID] = d
			}
		}
	}
	here := make(map[*Document]bool)
	for i := range part {
		here[index[kindOf(part[i].Kind)+" "+part[i].Path()]] = true
	}
	var out []Document
	var need func(ref string)
	need = func(ref string) {
		d := index[ref]
		if d == nil || here[d] {
			return
		}
		here[d] = true
		needNode(d.Metadata.Parent, need)
		needNode(d.Metadata.Organization, need)
		out = append(out, reduced(d))
	}
	for i := range part {
		references(&part[i], need)
	}
	return out
}

// kindOf is the kind under which a resource is referred to: an organization is a node.
func kindOf(kind string) string {
	if kind == KindOrganization {
		return KindNode
	}
	return kind
}

func needNode(path string, need func(string)) {
	if path != "" {
		need(KindNode + " " + path)
	}
}

// references calls need with whatever a document refers to.
func references(d *Document, need func(string)) {
	needNode(d.Metadata.Parent, need)
	needNode(d.Metadata.Organization, need)
	switch spec := d.Spec.(type) {
	case *AudienceSpec:
		for _, id := range spec.ResourceServers {
			need("id " + id)
		}
	case *NodeDoc:
		need(KindModel + " " + spec.Model)
		for _, v := range spec.Settings {
			needNode(v, need)
		}
		for _, a := range spec.Assignments {
			need(KindUser + " " + a.User)
			for at := d.Path(); at != ""; at = above(at) { // of the node or of one above it
				need(KindGroup + " " + at + "/" + a.Group)
				need(KindCustomRole + " " + at + "/" + a.Role)
			}
		}
	case *GroupSpec:
		for _, u := range spec.Members {
			need(KindUser + " " + u)
		}
	case *ConnectorSpec:
		for _, m := range spec.Mappings {
			needNode(m.Organization, need)
			for at := m.Organization; at != ""; at = above(at) {
				need(KindGroup + " " + at + "/" + m.Group)
				need(KindCustomRole + " " + at + "/" + m.Role)
			}
		}
	case *ClientSpec:
		for at := d.Metadata.Organization; at != ""; at = above(at) {
			need(KindCustomRole + " " + at + "/" + spec.Role)
		}
		for _, a := range spec.Audiences {
			need(KindAudience + " " + a)
		}
		for _, a := range spec.Assignments {
			needNode(a.Node, need)
			for at := a.Node; at != ""; at = above(at) {
				need(KindCustomRole + " " + at + "/" + a.Role)
			}
		}
	}
}

func above(path string) string {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return ""
	}
	return path[:i]
}

func reduced(d *Document) Document {
	out := Document{Kind: d.Kind, Metadata: d.Metadata, Spec: newSpec(d.Kind)}
	switch spec := d.Spec.(type) {
	case *AudienceSpec:
		out.Spec = &AudienceSpec{Identifier: spec.Identifier}
	case *ModelSpec:
		out.Spec = spec
	case *NodeDoc:
		out.Spec = &NodeDoc{NodeSpec: NodeSpec{Level: spec.Level, Kind: spec.Kind, Model: spec.Model}}
	case *CustomRoleSpec:
		out.Spec = spec
	case *ClientSpec:
		out.Spec = &ClientSpec{ClientID: spec.ClientID}
	}
	return out
}
