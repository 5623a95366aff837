package page

// Account is the page about oneself.
type Account struct {
	Head
	Username, Email string
	EmailVerified   bool
	CanVerify       bool // a link to verify the address can be sent
	VerifySent      bool // one was sent just now
	Places          []AccountPlace
	Sessions        []AccountSession
	Grants          []AccountGrant
	Consents        []AccountConsent
	Connectors      []LoginConnector // to which the person can add an account
	HasPassword     bool
	PasswordFailed  string // why the password was not changed
}

// An AccountPlace is where the person holds roles.
type AccountPlace struct{ Path, Name, Roles, Group string }

// An AccountSession is a browser in which the person is signed in.
type AccountSession struct {
	ID, Agent, Network, Since, Seen string
	Here                            bool // it is the one that looks at the page
}

// An AccountGrant is what an application or a device has been allowed once.
type AccountGrant struct {
	ID, Application, Since string
	Device                 bool
}

// An AccountConsent is what an application may have without asking again.
type AccountConsent struct {
	Client, Application, Since string
	Scopes                     []string
}

// Template is the name of the page's file.
func (*Account) Template() string { return "account.html" }
