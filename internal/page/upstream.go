package page

// AddAccount asks whether an account at a provider is to be one more way to sign in.
type AddAccount struct {
	Head
	Provider string
	Action   string // where the form goes
}

// Template is the name of the page's file.
func (*AddAccount) Template() string { return "add_account.html" }

// Onward is the page that a browser leaves at once, for a provider.
type Onward struct {
	Head
	Provider string
	To       string
}

// Template is the name of the page's file.
func (*Onward) Template() string { return "onward.html" }
