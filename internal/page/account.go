package page

// Account is the page about oneself.
type Account struct {
	Head
	Username, Email string
	EmailVerified   bool
	Places          []AccountPlace
	HasPassword     bool
	PasswordFailed  string // why the password was not changed
}

// An AccountPlace is where the person holds roles.
type AccountPlace struct{ Path, Name, Roles, Group string }

// Template is the name of the page's file.
func (*Account) Template() string { return "account.html" }
