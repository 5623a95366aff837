package adminapi

import (
	"context"
	"net/http"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// AtClient names a client in a path.
type AtClient struct {
	Client string `path:"client" doc:"The client id."`
}

// ChangeClient names a client, and the version that a change is meant for.
type ChangeClient struct {
	AtClient
	Conditional
}

func (a *api) clients() {
	const tag = "clients"
	add(a, op{http.MethodGet, "/clients", "list-clients", "List platform clients or, without a platform role, those of the nodes where one may manage them", tag, 0, false, false},
		func(ctx context.Context, by *caller, in *Paged) (*plain[apiv1.Page[apiv1.OAuthClient]], error) {
			return page(*in, tag+" of "+by.subject().String(), func(p store.PageOptions) (apiv1.Page[apiv1.OAuthClient], error) {
				return a.Directory.Clients(ctx, by.by(), p)
			})
		})
	add(a, op{http.MethodPost, "/clients", "create-client", "Make a client; the answer may have its secret, this once", tag, http.StatusCreated, false, false},
		func(ctx context.Context, by *caller, in *struct{ Body apiv1.NewClient }) (*tagged[apiv1.ClientCreated], error) {
			v, err := a.Directory.CreateClient(ctx, by.by(), "", in.Body)
			return withTag(v, v.ETag, err)
		})
	for _, h := range homes {
		a.clientsAt(h.path, h.id, h.noun)
	}
	add(a, op{http.MethodGet, "/clients/{client}", "get-client", "Read a client", tag, 0, false, false},
		func(ctx context.Context, by *caller, in *AtClient) (*tagged[apiv1.OAuthClient], error) {
			v, err := a.Directory.Client(ctx, by.by(), in.Client)
			return withTag(v, v.ETag, err)
		})
	add(a, op{http.MethodPut, "/clients/{client}", "update-client", "Replace the spec of a client", tag, 0, false, false},
		func(ctx context.Context, by *caller, in *struct {
			ChangeClient
			Body apiv1.ClientSpec
		}) (*tagged[apiv1.OAuthClient], error) {
			v, err := a.Directory.UpdateClient(ctx, by.by(), in.Client, in.Body, in.expect())
			return withTag(v, v.ETag, err)
		})
	add(a, op{http.MethodPost, "/clients/{client}/disable", "disable-client", "End a client's tokens and give it no more", tag, 0, false, false},
		func(ctx context.Context, by *caller, in *ChangeClient) (*tagged[apiv1.OAuthClient], error) {
			v, err := a.Directory.DisableClient(ctx, by.by(), in.Client, in.expect())
			return withTag(v, v.ETag, err)
		})
	add(a, op{http.MethodPost, "/clients/{client}/enable", "enable-client", "Let a client get tokens again", tag, 0, false, false},
		func(ctx context.Context, by *caller, in *ChangeClient) (*tagged[apiv1.OAuthClient], error) {
			v, err := a.Directory.EnableClient(ctx, by.by(), in.Client, in.expect())
			return withTag(v, v.ETag, err)
		})
	add(a, op{http.MethodDelete, "/clients/{client}", "delete-client", "End a client", tag, http.StatusNoContent, false, false},
		func(ctx context.Context, by *caller, in *ChangeClient) (*none, error) {
			return nil, a.Directory.DeleteClient(ctx, by.by(), in.Client, in.expect())
		})
}

func (a *api) clientsAt(home, id, noun string) {
	const tag = "clients"
	add(a, op{http.MethodGet, home + "/{node}/clients", "list-clients-of-" + id, "List the clients of " + noun, tag, 0, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtNode
			Paged
		}) (*plain[apiv1.Page[apiv1.OAuthClient]], error) {
			return page(in.Paged, "clients of "+in.Node, func(p store.PageOptions) (apiv1.Page[apiv1.OAuthClient], error) {
				return a.Directory.ClientsAt(ctx, by.by(), path(in.Node), p)
			})
		})
	add(a, op{http.MethodPost, home + "/{node}/clients", "create-client-of-" + id, "Make a client of " + noun + "; the answer may have its secret, this once", tag, http.StatusCreated, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtNode
			Body apiv1.NewClient
		}) (*tagged[apiv1.ClientCreated], error) {
			v, err := a.Directory.CreateClient(ctx, by.by(), path(in.Node), in.Body)
			return withTag(v, v.ETag, err)
		})
}

func (a *api) secrets() {
	const tag = "secrets"
	add(a, op{http.MethodGet, "/clients/{client}/secrets", "list-secrets", "List a client's secrets, without the secrets", tag, 0, false, false},
		func(ctx context.Context, by *caller, in *AtClient) (*plain[apiv1.Page[apiv1.Secret]], error) {
			v, err := a.Directory.ClientSecrets(ctx, by.by(), in.Client)
			return &plain[apiv1.Page[apiv1.Secret]]{Body: v}, err
		})
	add(a, op{http.MethodPost, "/clients/{client}/secrets", "rotate-secret", "Make a new secret, shown this once, and schedule the end of the others", tag, http.StatusCreated, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtClient
			Body apiv1.SecretRotation
		}) (*plain[apiv1.SecretCreated], error) {
			v, err := a.Directory.RotateSecret(ctx, by.by(), in.Client, in.Body)
			return &plain[apiv1.SecretCreated]{Body: v}, err
		})
	add(a, op{http.MethodDelete, "/clients/{client}/secrets/{secret}", "delete-secret", "End a secret at once", tag, http.StatusNoContent, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtClient
			Secret string `path:"secret" doc:"Name or id."`
		}) (*none, error) {
			return nil, a.Directory.DeleteSecret(ctx, by.by(), in.Client, in.Secret)
		})
}
