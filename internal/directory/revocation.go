package directory

import (
	"context"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// Revocable turns what an operator calls something into what its revocation is kept under: users, organizations and members may
// be named, and must exist.
func (s *Service) Revocable(ctx context.Context, kind iam.RevocationKind, id string) (ref iam.RevocationRef, err error) {
	ref = iam.RevocationRef{Kind: kind, ID: id}
	err = s.view(ctx, func(w *work) error {
		switch kind {
		case iam.RevokedToken, iam.RevokedGrant, iam.RevokedSession:
			if id == "" {
				return iam.Errorf(iam.Invalid, "id: required")
			}
			return nil
		case iam.RevokedClient:
			_, err := w.client(id)
			return err
		case iam.RevokedUser:
			ref.ID, err = w.userID(id)
			return err
		case iam.RevokedOrganization:
			ref.ID, err = w.organizationID(id)
			return err
		case iam.RevokedMember:
			i := strings.LastIndexByte(id, '/')
			if i < 0 {
				return iam.Errorf(iam.Invalid, "id: a member is organization/user")
			}
			org, err := w.organizationID(id[:i])
			if err != nil {
				return err
			}
			user, err := w.userID(id[i+1:])
			ref.ID = org + "/" + user
			return err
		case iam.RevokedKey:
			return iam.Errorf(iam.Invalid, "kind: a key that must not be believed is removed, which also ends its tokens")
		}
		return iam.Errorf(iam.Invalid, "kind %.40q: want jti, grant, client, user, member, organization or session", string(kind))
	})
	return ref, err
}

func (w *work) userID(ref string) (string, error) {
	u, err := w.user(ref)
	if err != nil {
		return "", err
	}
	return string(u.ID), nil
}

func (w *work) organizationID(ref string) (string, error) {
	n, err := w.node(ref)
	if err != nil {
		return "", err
	}
	if n.Level != iam.LevelOrganization {
		return "", missing("organization", ref)
	}
	return string(n.ID), nil
}

// NoteRevocation writes the line of a revocation before it is made, at the organization that it is about.
func (s *Service) NoteRevocation(ctx context.Context, by By, ref iam.RevocationRef) error {
	var node iam.NodeID
	switch ref.Kind {
	case iam.RevokedOrganization:
		node = iam.NodeID(ref.ID)
	case iam.RevokedMember:
		org, _, _ := strings.Cut(ref.ID, "/")
		node = iam.NodeID(org)
	case iam.RevokedClient:
		c, err := s.Store.Client(ctx, iam.ClientID(ref.ID))
		if err != nil {
			return err
		}
		if c != nil {
			node = c.Organization
		}
	}
	return s.Note(ctx, by, "revocation.create", ref.String(), node, nil)
}
