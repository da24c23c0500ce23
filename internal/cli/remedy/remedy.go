// Package remedy has the command line's words for what would help against a
// failure. It is apart from app because the registry's commands, which link no
// engine, use it too.
package remedy

import (
	"cove/errdefs"
)

// words are the command line's words for what would help. %s is what the
// remedy is done to, and is left out where there is none.
var words = map[errdefs.Remedy]string{
	errdefs.Force:           "--force does it all the same",
	errdefs.RemoveForced:    "remove it with: rm -f %s",
	errdefs.StopFirst:       "stop %s first",
	errdefs.GiveName:        "give one with --name",
	errdefs.PlainHTTP:       "if plain HTTP is meant, say --insecure-registry %s",
	errdefs.Login:           "sign in with login %s",
	errdefs.Entitle:         "build with --allow %s",
	errdefs.NoNetwork:       "or do without a network: --network none",
	errdefs.GiveSecret:      "give it with --secret id=%s,src=FILE",
	errdefs.GiveAgent:       "give it with --ssh %s[=SOCKET|KEY]",
	errdefs.NameRoot:        "start one there, or name its --root",
	errdefs.Prune:           "make room, or remove what is not used with: system prune",
	errdefs.MakeProject:     "make it with: registry project create %s",
	errdefs.MigrateUp:       "or bring it up, as a start does: registry migrate up --root %s",
	errdefs.MakeAdmin:       "make one with: registry user add NAME --admin",
	errdefs.ScanFirst:       "have it scanned with: registry scan run %s",
	errdefs.JoinUsers:       "--userns container:%s joins that too",
	errdefs.KeepUsers:       "--userns keep-id has yours be yours inside",
	errdefs.GiveKey:         "give --key FILE, or add it to signatures: of the configuration",
	errdefs.CopyFiles:       "leave --link out, and files are copied",
	errdefs.NameService:     "say where it is, by --endpoint or --region",
	errdefs.FreeSpace:       "free some space and try again",
	errdefs.LockAnew:        "a build with --lock and without --locked adds it",
	errdefs.ListenElsewhere: "end it, or listen elsewhere by --listen",
	errdefs.RecoverDatabase: "put back a backup of the database, or make it again with: registry reindex --root %s; " +
		"or begin without what it does not know: registry serve --begin-anew",
}

// Text is the text of err and, behind a semicolon, what would help.
func Text(err error) string {
	return errdefs.Text(err, words)
}
