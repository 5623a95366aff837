// Package apiv1 is the admin API as its callers see it: the wire types of /api/v1, a Go client, and the documents of
// configuration as code. One struct serves both forms of a resource: snake_case in JSON, camelCase in YAML.
//
// Documents go three steps: ParseDocuments reads them strictly and names every fault, Resolve puts the secrets in that they
// refer to, Client.Apply sends them, in parts when they are many.
//
// The package holds all that the command line needs of the server. It imports the standard library and YAML, and nothing of
// Gatehouse; what the server makes of the types is in directory and adminapi.
package apiv1
