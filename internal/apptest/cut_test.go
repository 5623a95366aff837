package apptest_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/apptest"
	"github.com/gatehouse-id/gatehouse/internal/kv/redistest"
)

// An attempt is one request in the middle of a flow, whose store is lost on the way.
type attempt struct {
	page bool // the answer is for a person
	do   func() apptest.Answer
	done func(apptest.Answer) bool // it is what was asked for
	// over tells, of the answer to another try, that one has to start over; nil: another try does what was asked for.
	over func(apptest.Answer) bool
	// once: it is never done twice. then looks at what has become of it; first is the answer during the outage, again the one after.
	once bool
	then func(first, again apptest.Answer)
}

// cutBudget is limits.storeBudget of brokers whose store is cut: waiting for it is most of what these tests take.
const cutBudget = 300 * time.Millisecond

// Whatever command of a flow it is at which the store is lost, and whether or not the store has carried it out, the answer is what was
// asked for or a 503 in time; another try does it or says to start over; and nothing is done twice or lost. What comes before and after
// is done at another replica.
func TestFlowsSurviveTheLossOfTheStoreAtEveryStep(t *testing.T) {
	t.Parallel()
	for name, begin := range interrupted {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redis := redistest.Start(t)
			wire, data := redistest.StartWire(t, redis), apptest.Data(t.TempDir())
			s := newStage(t, apptest.Start(t, data, apptest.Set("store", redis.URL())))
			prepare := begin(s, s.on(apptest.Start(t, data, apptest.Set("issuer", s.Issuer), apptest.Set("store", wire.URL()),
				apptest.Set("limits.storeBudget", cutBudget.String()), apptest.Set("redis.ackTimeout", "50ms"))))
			for _, cut := range []redistest.Cut{{}, {Executed: true}, {Executed: true, Once: true}} {
				for n := 1; ; n++ {
					a := prepare()
					wire.CutAt(n, cut)
					came := a.survive(t, fmt.Sprintf("%s, command %d, %+v", name, n, cut), wire.Mend)
					if !came {
						if n == 1 {
							t.Errorf("%s reads nothing of the store: the test has cut nothing", name)
						}
						break
					}
					if n == 50 {
						t.Fatalf("%s takes more than %d commands", name, n)
					}
				}
			}
			a := prepare()
			redis.Pause()
			a.survive(t, name+", a store that hangs", func() bool { redis.Resume(); return true })
		})
	}
}

// survive makes the attempt while the store is lost, and again when mend has brought it back. It returns what mend does.
func (a *attempt) survive(t *testing.T, what string, mend func() bool) bool {
	t.Helper()
	began := time.Now()
	first := a.do()
	if took := time.Since(began); took > cutBudget+time.Second {
		t.Errorf("%s: answered after %v, want within the budget of %v", what, took, cutBudget)
	}
	came := mend()
	switch {
	case a.done(first):
	case first.Status == http.StatusServiceUnavailable: // without a cut it is a machine that is slow
		a.wantUnavailable(t, what, first)
	default:
		t.Errorf("%s: got %s", what, first)
	}
	var again apptest.Answer
	await(t, "answer after "+what, func() bool {
		again = a.do()
		return again.Status != http.StatusServiceUnavailable
	})
	switch over := a.over != nil && a.over(again); {
	case a.once && a.done(first) && !over:
		t.Errorf("%s: done again: got %s", what, again)
	case !over && !a.done(again):
		t.Errorf("%s: another try: got %s", what, again)
	}
	if a.then != nil {
		a.then(first, again)
	}
	return came
}

// wantUnavailable checks that a 503 tells a person, or a program, what to do.
func (a *attempt) wantUnavailable(t *testing.T, what string, got apptest.Answer) {
	t.Helper()
	if !a.page {
		wantUnavailable(t, what, got)
		return
	}
	if !strings.HasPrefix(got.Header.Get("Content-Type"), "text/html") || !strings.Contains(got.Body, "try again in a moment") || got.Header.Get("Retry-After") == "" {
		t.Errorf("%s: got %v %s, want a page that says to try again", what, got.Header, got)
	}
}

func ok(a apptest.Answer) bool { return a.Status == http.StatusOK }

func leadsTo(path string) func(apptest.Answer) bool {
	return func(a apptest.Answer) bool {
		return a.Status == http.StatusSeeOther && strings.HasPrefix(a.Header.Get("Location"), path)
	}
}

// says is for refusals of the token endpoint.
func says(code string) func(apptest.Answer) bool {
	return func(a apptest.Answer) bool {
		return a.Status == http.StatusBadRequest && strings.Contains(a.Body, `"error":"`+code+`"`)
	}
}

// interrupted are the flows. Each makes a stage ready, and then, whenever it is asked to, an attempt at the replica that will be cut.
var interrupted = map[string]func(s, cut *stage) func() *attempt{
	"authorize": func(s, cut *stage) func() *attempt {
		v := s.SignedIn(s.user)
		return func() *attempt { // of a pushed request: whether another is good, the cache says while it may
			pushed := s.push().JSON(s.T)["request_uri"].(string)
			path := "/authorize?client_id=" + s.client + "&request_uri=" + pushed
			return &attempt{
				page: true, do: func() apptest.Answer { return v.On(cut.Broker).Get(path) }, done: leadsTo("/authorize/resume?"),
				then: func(_, again apptest.Answer) { s.toApp(v, again.Header.Get("Location")) },
			}
		}
	},
	"pushing a request": func(s, cut *stage) func() *attempt {
		return func() *attempt {
			return &attempt{do: cut.push, done: func(a apptest.Answer) bool { return a.Status == http.StatusCreated }}
		}
	},
	"the code": func(s, cut *stage) func() *attempt {
		v := s.SignedIn(s.user)
		return func() *attempt {
			path := v.Get(s.authorize(s.client)).Header.Get("Location")
			return &attempt{
				page: true, do: func() apptest.Answer { return v.On(cut.Broker).Get(path) },
				done: func(a apptest.Answer) bool { return s.brought(a).Has("code") },
				then: func(_, again apptest.Answer) { s.got(s.redeem(s.brought(again).Get("code"))) },
			}
		}
	},
	"signing in": func(s, cut *stage) func() *attempt {
		people := 0
		return func() *attempt {
			name := "person-" + strconv.Itoa(people/8) // an attempt whose end the store has not seen counts as a guess
			if people%8 == 0 {
				s.person(name)
				s.assign(s.org, name, "reader")
			}
			people++
			v := s.Visitor()
			shown := v.Follow(v.Get(s.authorize(s.client)))
			return &attempt{
				page: true, do: func() apptest.Answer {
					return v.On(cut.Broker).Submit(shown, "/login", "username", name, "password", password)
				},
				done: leadsTo("/authorize/resume?"),
				over: func(a apptest.Answer) bool { return a.Status == http.StatusForbidden }, // the form was shown before signing in
				then: func(first, again apptest.Answer) {
					if !leadsTo("/")(again) {
						again = first
					}
					s.got(s.redeem(s.toApp(v, again.Header.Get("Location")).Get("code")))
				},
			}
		}
	},
	"consent": func(s, cut *stage) func() *attempt {
		v, secret := s.SignedIn(s.user), s.register("asker", "")
		return func() *attempt {
			shown := v.Follow(v.Get(s.authorize("asker", "prompt", "consent")))
			return &attempt{
				page: true, do: func() apptest.Answer { return v.On(cut.Broker).Submit(shown, "/consent", "decision", "accept") },
				done: leadsTo("/authorize/resume?"),
				then: func(_, again apptest.Answer) {
					code := s.toApp(v, again.Header.Get("Location")).Get("code")
					s.got(s.app.Exchange(s.Broker, "asker", code, "client_secret", secret))
				},
			}
		}
	},
	"redeeming a code": func(s, cut *stage) func() *attempt {
		v := s.SignedIn(s.user)
		return func() *attempt {
			code := s.code(v)
			return &attempt{
				once: true, do: func() apptest.Answer { return cut.redeem(code) }, done: ok, over: says("invalid_grant"),
				then: func(first, again apptest.Answer) {
					if ok(first) && s.active(s.got(first).access) {
						s.T.Error("a code was used twice: its token is active")
					}
					if ok(again) {
						s.got(s.refresh(s.got(again).refresh))
					}
				},
			}
		}
	},
	"a refresh": func(s, cut *stage) func() *attempt {
		at := s.got(s.redeem(s.code(s.SignedIn(s.user)))).refresh // one family through all of it
		return func() *attempt {
			used := at
			return &attempt{
				do: func() apptest.Answer { return cut.refresh(used) }, done: ok,
				then: func(first, again apptest.Answer) {
					at = s.got(again).refresh
					if at == used || ok(first) && s.got(first).refresh != at {
						s.T.Error("a refresh token has two successors")
					}
				},
			}
		}
	},
	"beginning a device": func(s, cut *stage) func() *attempt {
		v := s.SignedIn(s.user)
		return func() *attempt {
			return &attempt{do: cut.device, done: ok, then: func(_, again apptest.Answer) {
				s.approve(v, again.JSON(s.T)["user_code"].(string))
				s.got(s.poll(again.JSON(s.T)["device_code"].(string)))
			}}
		}
	},
	"approving a device": func(s, cut *stage) func() *attempt {
		v := s.SignedIn(s.user)
		return func() *attempt {
			device := s.device().JSON(s.T)
			shown := v.Get("/activate?user_code=" + device["user_code"].(string))
			return &attempt{
				page: true, do: func() apptest.Answer { return v.On(cut.Broker).Submit(shown, "/activate", "decision", "approve") }, done: ok,
				then: func(_, _ apptest.Answer) {
					s.got(s.poll(device["device_code"].(string)))
					refused(s.T, "a device code used twice", s.poll(device["device_code"].(string)), http.StatusBadRequest, "invalid_grant")
				},
			}
		}
	},
	"redeeming a device code": func(s, cut *stage) func() *attempt {
		v := s.SignedIn(s.user)
		return func() *attempt {
			device := s.device().JSON(s.T)
			s.approve(v, device["user_code"].(string))
			return &attempt{
				once: true, do: func() apptest.Answer { return cut.poll(device["device_code"].(string)) }, done: ok, over: says("invalid_grant"),
			}
		}
	},
	"userinfo": func(s, cut *stage) func() *attempt {
		token := s.got(s.redeem(s.code(s.SignedIn(s.user)))).access
		return func() *attempt {
			return &attempt{
				do: func() apptest.Answer {
					r := request(s.T, http.MethodGet, cut.URL+"/userinfo", nil)
					r.Header.Set("Authorization", "Bearer "+token)
					return cut.Do(r)
				},
				done: ok,
			}
		}
	},
	"introspection":                    inspection(func(t tokens) string { return t.access }),
	"introspection of a refresh token": inspection(func(t tokens) string { return t.refresh }),
	"revocation": func(s, cut *stage) func() *attempt {
		v := s.SignedIn(s.user)
		return func() *attempt {
			held := s.got(s.redeem(s.code(v)))
			return &attempt{
				do: func() apptest.Answer {
					return cut.Post("/oauth/revoke", "client_id", s.client, "client_secret", s.secret, "token", held.refresh)
				},
				done: ok,
				then: func(_, _ apptest.Answer) {
					refused(s.T, "a revoked refresh token", s.refresh(held.refresh), http.StatusBadRequest, "invalid_grant")
					if s.active(held.access) || s.active(held.refresh) {
						s.T.Error("a revoked token is active")
					}
				},
			}
		}
	},
	"signing out": func(s, cut *stage) func() *attempt {
		return func() *attempt {
			v := s.SignedIn(s.user)
			held := s.got(s.redeem(s.code(v)))
			stolen := request(s.T, http.MethodGet, s.URL+"/account", nil)
			if a := v.Do(stolen); !ok(a) { // which puts the cookies into the request
				s.T.Fatalf("the account of somebody who is signed in: got %s", a)
			}
			return &attempt{
				page: true, do: func() apptest.Answer { return v.On(cut.Broker).Get("/oidc/logout?id_token_hint=" + held.id) }, done: ok,
				then: func(_, _ apptest.Answer) { // OUT-05
					replay := request(s.T, http.MethodGet, s.URL+"/account", nil)
					replay.Header = stolen.Header.Clone()
					if a := s.Do(replay); !leadsTo("/login")(a) {
						s.T.Errorf("the cookie of somebody who has signed out: got %s, want to be sent to sign in", a)
					}
					if s.active(held.access) {
						s.T.Error("the token of somebody who has signed out is active")
					}
				},
			}
		}
	},
	"coming back from a provider": func(s, cut *stage) func() *attempt {
		p := apptest.NewProvider(s.T)
		if _, err := s.API().CreateConnector(s.T.Context(), oidcConnector(p, nil)); err != nil {
			s.T.Fatal(err)
		}
		people := 0
		return func() *attempt {
			people++
			name := "jane-" + strconv.Itoa(people)
			p.Person(map[string]any{"sub": name, "preferred_username": name})
			trip := func() func() apptest.Answer {
				v := visit(s.T, s.Broker)
				back := strings.Replace(v.answer("corp"), s.URL, cut.URL, 1)
				return func() apptest.Answer {
					got := v.get(back)
					return apptest.Answer{Status: got.status, Header: got.header, Body: got.body}
				}
			}
			return &attempt{
				page: true, do: trip(), done: leadsTo("/account"),
				over: func(a apptest.Answer) bool {
					return a.Status == http.StatusBadRequest && (strings.Contains(a.Body, "invalid_state") || strings.Contains(a.Body, "upstream_refused"))
				},
				then: func(_, _ apptest.Answer) {
					await(s.T, "sign-in that is started over", func() bool { return leadsTo("/account")(trip()()) }) // the cut replica comes back
					logins, err := s.API().ListUserLogins(s.T.Context(), name)
					if err != nil || len(logins.Items) != 1 {
						s.T.Errorf("%s has the accounts %+v, %v, want one", name, logins.Items, err)
					}
					if u, err := s.API().GetUser(s.T.Context(), name+"-2"); apiv1.CodeOf(err) != "not_found" {
						s.T.Errorf("a second user was made: %+v, %v", u, err)
					}
				},
			}
		}
	},
}

// inspection is asking about a token of which the answer is known.
func inspection(of func(tokens) string) func(s, cut *stage) func() *attempt {
	return func(s, cut *stage) func() *attempt {
		token := of(s.got(s.redeem(s.code(s.SignedIn(s.user)))))
		return func() *attempt {
			return &attempt{
				do:   func() apptest.Answer { return cut.inspect(token) },
				done: func(a apptest.Answer) bool { return ok(a) && a.JSON(s.T)["active"] == true },
			}
		}
	}
}
