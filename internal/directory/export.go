package directory

import (
	"context"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// exportPage is about how many documents a part of an export has. An organization is never cut.
const exportPage = 200

// exportModels is how many models are read at once: they are large.
const exportModels = 20

// The stages of an export. Its page token is "stage:place".
const (
	stageAudiences  = "audiences"
	stageUsers      = "users"
	stageModels     = "models"
	stageNodes      = "nodes"
	stageClients    = "clients"
	stageConnectors = "connectors"
)

// Export returns documents for everything there is, in parts. They have no secret in them, and applied they change nothing.
func (s *Service) Export(ctx context.Context, token string) (out apiv1.Export, err error) {
	stage, after, _ := strings.Cut(token, ":")
	if token == "" {
		stage = stageAudiences
	}
	out.Documents = []apiv1.Document{}
	next := map[string]string{stageAudiences: stageUsers, stageUsers: stageModels, stageModels: stageNodes, stageNodes: stageClients, stageClients: stageConnectors}
	err = s.view(ctx, func(w *work) error {
		for {
			p := store.PageOptions{After: after, Limit: exportPage}
			switch stage {
			case stageAudiences:
				after, err = w.exportAudiences(&out, p)
			case stageUsers:
				after, err = w.exportUsers(&out, p)
			case stageModels:
				after, err = w.exportModels(&out, p)
			case stageNodes:
				p.Limit = 1
				after, err = w.exportNodes(&out, p)
			case stageClients:
				after, err = w.exportClients(&out, "", p)
			case stageConnectors:
				after, err = w.exportConnectors(&out, p)
			default:
				return iam.Errorf(iam.Invalid, "page_token: not one of an export")
			}
			if err != nil {
				return err
			}
			if after == "" {
				if stage = next[stage]; stage == "" {
					return nil
				}
			}
			if len(out.Documents) >= exportPage {
				out.NextPageToken = stage + ":" + after
				return nil
			}
		}
	})
	return out, err
}

func (w *work) exportAudiences(out *apiv1.Export, p store.PageOptions) (string, error) {
	page, err := w.s.Store.Audiences(w.ctx, p)
	for _, a := range page.Items {
		spec := showAudience(a).AudienceSpec
		out.Documents = append(out.Documents, apiv1.Document{Kind: apiv1.KindAudience, Metadata: apiv1.Metadata{Name: a.Name}, Spec: &spec})
	}
	return page.Next, err
}

func (w *work) exportUsers(out *apiv1.Export, p store.PageOptions) (string, error) {
	page, err := w.s.Store.Users(w.ctx, p)
	for _, u := range page.Items {
		spec := showUser(u).UserSpec
		out.Documents = append(out.Documents, apiv1.Document{Kind: apiv1.KindUser, Metadata: apiv1.Metadata{Name: u.Name}, Spec: &spec})
	}
	return page.Next, err
}

func (w *work) exportModels(out *apiv1.Export, p store.PageOptions) (string, error) {
	p.Limit = exportModels
	page, err := w.s.Store.Models(w.ctx, p)
	for _, m := range page.Items {
		src, err := w.ModelSource(m.Name)
		if err != nil {
			return "", err
		}
		if src != nil {
			spec := &apiv1.ModelSpec{Source: string(src.Source)}
			out.Documents = append(out.Documents, apiv1.Document{Kind: apiv1.KindModel, Metadata: apiv1.Metadata{Name: m.Name}, Spec: spec})
		}
	}
	return page.Next, err
}

// exportNodes writes an organization or root with what is below it, but the organizations there: they have their own turn.
func (w *work) exportNodes(out *apiv1.Export, p store.PageOptions) (string, error) {
	page, err := w.s.Store.Organizations(w.ctx, p)
	if err != nil {
		return "", err
	}
	for _, n := range page.Items {
		if err := w.exportTree(out, n); err != nil {
			return "", err
		}
	}
	return page.Next, nil
}

func (w *work) exportTree(out *apiv1.Export, n *iam.Node) error {
	shown, err := w.showNode(n)
	if err != nil {
		return err
	}
	doc := apiv1.Document{Kind: apiv1.KindNode, Metadata: apiv1.Metadata{Name: n.Name, Parent: shown.Parent}}
	spec := &apiv1.NodeDoc{NodeSpec: shown.NodeSpec}
	if n.Level == iam.LevelOrganization {
		doc.Kind, spec.Level = apiv1.KindOrganization, ""
	}
	there, err := w.Assignments(n.ID)
	if err != nil {
		return err
	}
	for _, a := range there {
		if a.Subject.Kind == iam.SubjectClient {
			continue // in the client's document
		}
		entries, err := w.showAssignment(a)
		if err != nil {
			return err
		}
		spec.Assignments = append(spec.Assignments, entries...)
	}
	doc.Spec = spec
	out.Documents = append(out.Documents, doc)
	if err := w.exportRoles(out, n.ID, shown.Path); err != nil {
		return err
	}
	if err := w.exportGroups(out, n.ID, shown.Path); err != nil {
		return err
	}
	below, err := w.Children(n.ID)
	if err != nil {
		return err
	}
	for _, c := range below {
		if c.Level == iam.LevelOrganization {
			continue
		}
		if err := w.exportTree(out, c); err != nil {
			return err
		}
	}
	for p := (store.PageOptions{Limit: exportPage}); ; {
		if p.After, err = w.exportClients(out, n.ID, p); err != nil || p.After == "" {
			return err
		}
	}
}

func (w *work) exportRoles(out *apiv1.Export, n iam.NodeID, path string) error {
	defined, err := w.CustomRoles(n)
	if err != nil {
		return err
	}
	for _, c := range defined {
		spec := &apiv1.CustomRoleSpec{Base: string(c.Base), Level: string(c.Level), Permissions: words(c.Permissions)}
		out.Documents = append(out.Documents, apiv1.Document{Kind: apiv1.KindCustomRole, Metadata: apiv1.Metadata{Name: string(c.ID), Parent: path}, Spec: spec})
	}
	return nil
}

func (w *work) exportGroups(out *apiv1.Export, n iam.NodeID, path string) error {
	groups, err := w.Tx.Groups(n)
	if err != nil {
		return err
	}
	for _, g := range groups {
		members, err := w.Tx.Members(g.ID)
		if err != nil {
			return err
		}
		spec := &apiv1.GroupSpec{}
		for _, id := range members {
			u, err := w.User(id)
			if err != nil {
				return err
			}
			if u != nil {
				spec.Members = append(spec.Members, u.Name)
			}
		}
		out.Documents = append(out.Documents, apiv1.Document{Kind: apiv1.KindGroup, Metadata: apiv1.Metadata{Name: g.Name, Parent: path}, Spec: spec})
	}
	return nil
}

func (w *work) exportClients(out *apiv1.Export, org iam.NodeID, p store.PageOptions) (string, error) {
	page, err := w.s.Store.Clients(w.ctx, org, p)
	if err != nil {
		return "", err
	}
	for _, c := range page.Items {
		shown, err := w.showClient(c)
		if err != nil {
			return "", err
		}
		spec := shown.ClientSpec
		doc := apiv1.Document{Kind: apiv1.KindClient, Metadata: apiv1.Metadata{Name: c.Name, Organization: shown.Organization}, Spec: &spec}
		out.Documents = append(out.Documents, doc)
	}
	return page.Next, nil
}

func (w *work) exportConnectors(out *apiv1.Export, p store.PageOptions) (string, error) {
	page, err := w.s.Store.Connectors(w.ctx, p)
	if err != nil {
		return "", err
	}
	for _, c := range page.Items {
		shown, err := w.showConnector(c)
		if err != nil {
			return "", err
		}
		spec := shown.ConnectorSpec
		out.Documents = append(out.Documents, apiv1.Document{Kind: apiv1.KindConnector, Metadata: apiv1.Metadata{Name: c.Name}, Spec: &spec})
	}
	return page.Next, nil
}
