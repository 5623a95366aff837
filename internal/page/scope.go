package page

// scopeWords says what the scopes that we know let a program do.
var scopeWords = map[string]string{
	"openid":         "Know who you are",
	"profile":        "See your name and profile",
	"email":          "See your e-mail address",
	"address":        "See your postal address",
	"phone":          "See your phone number",
	"offline_access": "Stay signed in until you or an administrator ends it",
	"entitlements":   "See what you may do in the organization",
}

// ScopeWords says in plain words what a scope lets a program do. One that a resource server has defined is named as it is.
func ScopeWords(scope string) string {
	if words, ok := scopeWords[scope]; ok {
		return words
	}
	return "Use the permission " + scope
}
