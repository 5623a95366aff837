package authn

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/oauth2"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

func githubEndpoint(c *iam.Connector) oauth2.Endpoint {
	base := strings.TrimSuffix(cmp.Or(c.Issuer, "https://github.com"), "/")
	return oauth2.Endpoint{AuthURL: base + "/login/oauth/authorize", TokenURL: base + "/login/oauth/access_token", AuthStyle: oauth2.AuthStyleInParams}
}

// githubAPI is where the REST API of GitHub, or of an Enterprise Server, is.
func githubAPI(c *iam.Connector) string {
	if c.Issuer == "" {
		return "https://api.github.com"
	}
	return strings.TrimSuffix(c.Issuer, "/") + "/api/v3"
}

// githubScopes are what we need to know of somebody: organizations only where they matter.
func githubScopes(c *iam.Connector) []string {
	scopes := []string{"read:user", "user:email"}
	if asksGroups(c) {
		scopes = append(scopes, "read:org")
	}
	return scopes
}

func asksGroups(c *iam.Connector) bool { return len(c.AllowedOrganizations)+len(c.Mappings) > 0 }

// githubPages bounds how many pages of 100 organizations or teams are read.
const githubPages = 10

// githubIdentity asks GitHub who has signed in. Its numeric id is who it is: a login can be given up and taken by somebody else.
func (u *Upstreams) githubIdentity(ctx context.Context, c *iam.Connector, token *oauth2.Token) (*iam.Identity, error) {
	var user struct {
		ID        int64  `json:"id"`
		Login     string `json:"login"`
		Name      string `json:"name"`
		AvatarURL string `json:"avatar_url"`
	}
	if err := u.github(ctx, c, token, "/user", &user); err != nil {
		return nil, err
	}
	if user.ID <= 0 || user.Login == "" {
		return nil, untrue(c, errors.New("the user has no id"))
	}
	id := &iam.Identity{Subject: strconv.FormatInt(user.ID, 10), Name: user.Login, Profile: map[string]any{}, Claims: map[string][]string{}}
	for name, v := range map[string]string{"name": user.Name, "picture": user.AvatarURL} {
		if v != "" {
			id.Profile[name] = v
		}
	}
	var emails []struct {
		Email    string `json:"email"`
		Primary  bool   `json:"primary"`
		Verified bool   `json:"verified"`
	}
	if err := u.github(ctx, c, token, "/user/emails?per_page=100", &emails); err != nil {
		return nil, err
	}
	for _, e := range emails {
		if e.Primary && e.Verified {
			id.Email, id.EmailVerified = e.Email, true
		}
	}
	if !asksGroups(c) {
		return id, nil
	}
	groups, err := u.githubGroups(ctx, c, token)
	if err != nil {
		return nil, err
	}
	id.Claims["groups"] = groups
	allowed := func(g string) bool {
		return slices.ContainsFunc(c.AllowedOrganizations, func(a string) bool { return strings.EqualFold(a, g) })
	}
	if len(c.AllowedOrganizations) > 0 && !slices.ContainsFunc(groups, allowed) {
		return nil, iam.Refuse(iam.Forbidden, "not_allowed", "your account at %s is in none of the organizations that may sign in here", c.Title())
	}
	return id, nil
}

// githubGroups returns the organizations of the account, by name and by id, and its teams as "organization/team".
func (u *Upstreams) githubGroups(ctx context.Context, c *iam.Connector, token *oauth2.Token) (out []string, err error) {
	type organization struct {
		ID    int64  `json:"id"`
		Login string `json:"login"`
	}
	for page := 1; page <= githubPages; page++ {
		var orgs []organization
		if err := u.github(ctx, c, token, fmt.Sprintf("/user/orgs?per_page=100&page=%d", page), &orgs); err != nil {
			return nil, err
		}
		for _, o := range orgs {
			out = append(out, strconv.FormatInt(o.ID, 10))
			if strings.Trim(o.Login, "0123456789") != "" { // a name that reads like an id would pass for that of another
				out = append(out, o.Login)
			}
		}
		if len(orgs) < 100 {
			break
		}
	}
	for page := 1; page <= githubPages; page++ {
		var teams []struct {
			Slug         string       `json:"slug"`
			Organization organization `json:"organization"`
		}
		if err := u.github(ctx, c, token, fmt.Sprintf("/user/teams?per_page=100&page=%d", page), &teams); err != nil {
			return nil, err
		}
		for _, t := range teams {
			out = append(out, t.Organization.Login+"/"+t.Slug)
		}
		if len(teams) < 100 {
			break
		}
	}
	return out, nil
}

// github reads one resource of the API.
func (u *Upstreams) github(ctx context.Context, c *iam.Connector, token *oauth2.Token, path string, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, githubAPI(c)+path, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Accept", "application/vnd.github+json")
	r.Header.Set("X-GitHub-Api-Version", "2022-11-28")
	token.SetAuthHeader(r)
	answer, err := u.HTTP.Do(r)
	if err != nil {
		return wrong(c, "does not say who you are", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		_, _ = io.Copy(io.Discard, answer.Body) // so that the connection is used again
		return wrong(c, "does not say who you are", fmt.Errorf("%s: %s", path, answer.Status))
	}
	if err := json.NewDecoder(answer.Body).Decode(into); err != nil {
		return untrue(c, fmt.Errorf("%s: %w", path, err))
	}
	return nil
}
