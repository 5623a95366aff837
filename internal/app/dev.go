package app

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

//go:embed dev.yaml
var devDocuments []byte

// The names in dev.yaml that the welcome tells.
const (
	devClient   = "dev-client"
	devAudience = "https://hub.flox.dev/api"
	devOwner    = "owner"
)

// seed applies what --dev brings and what --apply names.
func (a *App) seed(ctx context.Context) error {
	if a.options.Config.Dev {
		if err := a.seedDev(ctx); err != nil {
			return fmt.Errorf("development seed: %w", err)
		}
		link, err := a.devSignIn(ctx)
		if err != nil {
			return fmt.Errorf("development seed: %w", err)
		}
		a.welcome = welcome(a.options.Config.Issuer, a.options.DataDir, link)
	}
	if len(a.options.Apply) == 0 {
		return nil
	}
	var docs []apiv1.Document
	for _, name := range a.options.Apply {
		f, err := os.Open(name)
		if err != nil {
			return fmt.Errorf("apply: %w", err)
		}
		part, err := apiv1.ParseDocuments(name, f)
		_ = f.Close() // only read
		if err != nil {
			return fmt.Errorf("apply: %w", err)
		}
		docs = append(docs, part...)
	}
	return a.apply(ctx, docs, apiv1.SystemResolver(newClientSecret))
}

// seedDev fills a new store, once: what a developer removed stays removed.
func (a *App) seedDev(ctx context.Context) error {
	inst, err := a.store.Installation(ctx)
	if err != nil || inst == nil || inst.Seeded {
		return err
	}
	docs, err := apiv1.ParseDocuments("dev.yaml", bytes.NewReader(devDocuments))
	if err != nil {
		return err
	}
	for i := range docs {
		if c, ok := docs[i].Spec.(*apiv1.ClientSpec); ok {
			for k := range c.Secrets {
				c.Secrets[k].WriteTo = filepath.Join(a.options.DataDir, c.Secrets[k].WriteTo)
			}
		}
	}
	if err := a.apply(ctx, docs, apiv1.SystemResolver(newClientSecret)); err != nil {
		return err
	}
	return a.store.Update(ctx, func(tx *store.Tx) error {
		inst, err := tx.Installation()
		if err != nil || inst == nil {
			return err
		}
		inst.Seeded = true
		return tx.PutInstallation(inst)
	})
}

func (a *App) apply(ctx context.Context, docs []apiv1.Document, r apiv1.Resolver) error {
	if err := apiv1.Resolve(docs, r); err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	plan, err := a.directory.Apply(ctx, directory.By{Actor: access.Actor{Authority: access.ByConfiguration}}, apiv1.ApplyRequest{Documents: docs})
	if err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	for _, c := range plan.Changes {
		a.log.InfoContext(ctx, "applied", "action", c.Action, "kind", c.Kind, "name", c.Name, "fields", c.Fields)
	}
	return nil
}

// welcome is what a developer needs to see a token within a minute.
func welcome(issuer, data, link string) string {
	curl := strings.Join([]string{
		"curl -s " + issuer + "/oauth/token",
		"-d grant_type=client_credentials",
		"-d client_id=" + devClient,
		"--data-urlencode client_secret@" + filepath.Join(data, devClient+".secret"),
		"-d audience=" + devAudience,
	}, " ")
	signIn := ""
	if link != "" {
		signIn = "\nSign in as acme's owner (once, within a day):\n\n  " + link + "\n"
	}
	return fmt.Sprintf(`
Gatehouse serves %s for development: this machine only, data in %s.

A token for the organization acme:

  %s

Have an independent library verify one:

  %s | go run ./docs/verify/go -issuer %s -audience %s
%s
`, issuer, data, curl, curl, issuer, devAudience, signIn)
}
