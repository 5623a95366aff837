package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// crowded is the organization whose members are counted. Its first member owns it; the client of index 0 is its machine.
const crowded = "crowded"

func memberName(i int) string { return fmt.Sprintf("member-%06d", i) }

// directory is what a check, a token and a page of a list cost in a large directory against a small one: an organization of 100,000
// members among 10,000 organizations, against one of 100 among 100.
func (b *bench) directory(ctx context.Context) error {
	const few = 100
	var sides [2]struct {
		*process
		bearer string
	}
	sizes := [2][2]int{{few, few}, {b.members, b.organizations}}
	for i, size := range sizes {
		data, store, err := b.folder(fmt.Sprintf("directory-%d", size[0]))
		if err != nil {
			return err
		}
		start := time.Now()
		if err := b.fill(ctx, data, store, seedMembers(data, size[0], size[1])); err != nil {
			return err
		}
		fmt.Printf("%-62s %.0f s\n", fmt.Sprintf("directory: making %d members and %d organizations", size[0], size[1]), time.Since(start).Seconds())
		p, err := b.startBroker(ctx, data, store, "GATEHOUSE_CACHE_ENTRIES=1000000")
		if err != nil {
			return err
		}
		defer p.stop()
		sides[i].process = p
		if sides[i].bearer, err = operatorToken(ctx, p); err != nil {
			return err
		}
	}
	for _, figure := range []struct {
		name   string
		target func(i int) target
	}{
		{"a check of a member", func(i int) target {
			return target{path: "/access/v1/evaluation", want: `{"decision":true`, form: func(r *rand.Rand) []byte {
				return memberCheck(r.IntN(sizes[i][0]))
			}}
		}},
		{"a machine's token", func(int) target { return tokenTarget("", 1, 1) }},
		{"a page of 100 members", func(int) target {
			return target{path: "/api/v1/organizations/" + crowded + "/assignments?page_size=100", want: `{"items":[{`}
		}},
		{"a page of 100 organizations", func(int) target {
			return target{path: "/api/v1/organizations?page_size=100", want: `{"items":[{`}
		}},
	} {
		var pair [2]side
		for i := range sides {
			t := figure.target(i)
			t.addr = sides[i].addr
			if t.path != "/oauth/token" {
				t.bearer = sides[i].bearer
			}
			pair[i] = side{sides[i].process, t}
			if t.path == "/access/v1/evaluation" { // everybody once, so that what is compared are warm caches
				err := each(ctx, t, b.conns, sizes[i][0], memberCheck, func(int, []byte) error { return nil })
				if err != nil {
					return err
				}
			}
		}
		cpu, rate, err := b.compare(ctx, pair[1], pair[0])
		if err != nil {
			return fmt.Errorf("%s: %w", figure.name, err)
		}
		name := fmt.Sprintf("directory of %d members, %d organizations against %d: ", b.members, b.organizations, few) + figure.name
		b.row(name+", CPU", "%.2f", cpu, bar{most: 1.2})
		b.row(name+", rate", "%.2f", rate, bar{})
	}
	return nil
}

// memberCheck asks whether a member may see the organization.
func memberCheck(i int) []byte {
	return fmt.Appendf(nil, `{"subject":{"type":"user","id":%q},"action":{"name":"org_view"},"resource":{"type":"organization","id":%q}}`,
		memberName(i), crowded)
}

// seedMembers puts one organization with so many members and a machine, and the other organizations, each with an owner.
func seedMembers(data string, members, organizations int) func(context.Context, *store.Store) error {
	return func(ctx context.Context, st *store.Store) error {
		hasher, err := openHasher(ctx, st, data)
		if err != nil {
			return err
		}
		hash, err := hasher.Hash(ctx, clientSecret(0))
		if err != nil {
			return err
		}
		now := time.Now()
		organization := func(name string) *iam.Node {
			return &iam.Node{ID: iam.NodeID(iam.NewID("n")), Name: name, Level: iam.LevelOrganization, Model: "floxhub", CreatedAt: now}
		}
		org := organization(crowded)
		machine := &iam.Client{
			ID: iam.ClientID(clientID(0)), Name: clientID(0), Organization: org.ID, AuthMethod: iam.AuthBasic,
			GrantTypes: []iam.GrantType{iam.GrantClientCredentials}, Audiences: []string{audience},
			Secrets:   []iam.Secret{{ID: iam.SecretID(iam.NewID("s")), Name: "ci", Hash: hash, CreatedAt: now}},
			CreatedAt: now,
		}
		member := func(tx *store.Tx, n *iam.Node, i int, role iam.RoleID) error {
			u := &iam.User{ID: iam.UserID(iam.NewID("u")), Name: memberName(i), CreatedAt: now}
			if err := tx.PutUser(u); err != nil {
				return err
			}
			return tx.Assign(n.ID, u.ID.Subject(), []iam.RoleID{role})
		}
		err = st.Update(ctx, func(tx *store.Tx) error {
			if err := tx.PutNode(org); err != nil {
				return err
			}
			if err := tx.PutClient(machine); err != nil {
				return err
			}
			if err := tx.Assign(org.ID, machine.ID.Subject(), []iam.RoleID{"writer"}); err != nil {
				return err
			}
			return member(tx, org, 0, "owner")
		})
		if err != nil {
			return err
		}
		var wg sync.WaitGroup
		errs := make(chan error, 33)
		work := func(do func() error) {
			wg.Go(func() {
				if err := do(); err != nil {
					errs <- err
				}
			})
		}
		work(func() error { // every one of them changes the organization: one after the other
			const batch = 5
			for from := 1; from < members; from += batch {
				err := st.Update(ctx, func(tx *store.Tx) error {
					for i := from; i < min(from+batch, members); i++ {
						if err := member(tx, org, i, "reader"); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
		var next atomic.Int64
		for range 32 {
			work(func() error {
				for i := int(next.Add(1)); i < organizations; i = int(next.Add(1)) {
					err := st.Update(ctx, func(tx *store.Tx) error {
						other := organization(fmt.Sprintf("other-%05d", i))
						if err := tx.PutNode(other); err != nil {
							return err
						}
						return member(tx, other, members+i, "owner")
					})
					if err != nil {
						return err
					}
				}
				return nil
			})
		}
		wg.Wait()
		close(errs)
		return <-errs
	}
}

// operatorToken signs in as the operator that development mode makes.
func operatorToken(ctx context.Context, p *process) (string, error) {
	text, err := os.ReadFile(filepath.Join(p.data, "operator.secret"))
	if err != nil {
		return "", err
	}
	// A broker that is started again listens elsewhere; its issuer stays.
	response, err := http.Get("http://" + p.addr + "/.well-known/oauth-authorization-server")
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	var metadata struct {
		Issuer string `json:"issuer"`
	}
	if err := json.NewDecoder(response.Body).Decode(&metadata); err != nil {
		return "", err
	}
	form := "grant_type=client_credentials&client_id=operator&client_secret=" + url.QueryEscape(strings.TrimSpace(string(text))) +
		"&audience=" + url.QueryEscape(metadata.Issuer+"/api/v1")
	var out string
	err = each(ctx, target{addr: p.addr, path: "/oauth/token", want: `{"access_token":"`}, 1, 1,
		func(int) []byte { return []byte(form) }, func(_ int, answer []byte) (err error) {
			out, err = accessToken(answer)
			return err
		})
	return out, err
}
