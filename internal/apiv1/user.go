package apiv1

import "time"

// A User is a person as the API shows one. There is no password in it, whether set or not.
type User struct {
	ID   string `json:"id" doc:"The sub of the person's tokens."`
	Name string `json:"name"`
	UserSpec
	CreatedAt time.Time `json:"created_at"`
	ETag      string    `json:"-"` // the version read
}

// NewUser is what it takes to make one.
type NewUser struct {
	Name string `json:"name" doc:"The handle that people see, unique in the installation."`
	UserSpec
}

// A UserSpec describes a person.
type UserSpec struct {
	Email         string         `json:"email,omitempty" yaml:"email,omitempty"`
	EmailVerified bool           `json:"email_verified,omitempty" yaml:"emailVerified,omitempty"`
	Password      *SecretRef     `json:"password,omitempty" yaml:"password,omitempty" doc:"Absent: as it is. Never shown."`
	Claims        map[string]any `json:"claims,omitempty" yaml:"claims,omitempty" doc:"Standard claims of OpenID Connect Core 5.1, such as name."`
	PlatformRole  string         `json:"platform_role,omitempty" yaml:"platformRole,omitempty" doc:"operator or auditor: rights over the admin API."`
	Disabled      bool           `json:"disabled,omitempty" yaml:"disabled,omitempty"`
}
