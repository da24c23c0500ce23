package api

import "cove/registry/api/rest"

// What several operations take away.
const (
	lostRobot     = "What signs in as the robot is refused within a second, and its secret is gone."
	lostRotated   = "The secret of now, and all that was issued for it, ends within a second."
	lostToken     = "What signs in with it is refused within a second."
	lostTrust     = "Tokens that the rule takes are good for nothing within a second."
	lostLabel     = "It is taken off all artifacts. For a week it can be had back with those that had it."
	lostException = "Images with the vulnerability are kept back again, where a gate says so."
)

// losses are all operations that take something away, with what goes and the operation that
// brings it back, for the document; "" is for what nothing brings back.
func losses() map[string]rest.Loss {
	return map[string]rest.Loss{
		"deleteArtifact": {
			What: "Of a tag the name goes, and of a digest the artifact with all its tags. The bytes " +
				"stay for the grace of the collector.",
			Undo: "restore",
		},
		"deleteRepository": {
			What: "All its tags and artifacts go; the bytes stay for the grace of the collector.", Undo: "restore",
		},
		"deleteProject": {
			What: "The project goes with its members, robots, rules and webhooks, which do not come " +
				"back; one that holds images is refused.",
			Undo: "restoreProject",
		},
		"deleteUser": {
			What: "The account goes, with its sessions, access tokens and memberships. What it pushed stays.",
		},
		"deletePasswordLink": {What: "The link is good for nothing.", Undo: "createPasswordLink"},
		"deleteGlobalLabel":  {What: lostLabel, Undo: "restoreGlobalLabel"},
		"deleteLabel":        {What: lostLabel, Undo: "restoreLabel"},
		"takeLabel":          {What: "The artifact has the label no longer.", Undo: "putLabel"},
		"deleteMember":       {What: "The membership ends with the next request.", Undo: "setMember"},
		"deleteGroup":        {What: "Its users lose what they have by it."},
		"deleteGroupUser":    {What: "The user loses what he has by the group.", Undo: "addGroupUser"},
		"deleteRole":         {What: "The role goes; one that somebody has is refused.", Undo: "setRole"},
		"deleteRobot":        {What: lostRobot}, "deleteSystemRobot": {What: lostRobot},
		"rotateRobot": {What: lostRotated}, "rotateSystemRobot": {What: lostRotated},
		"deleteTrust":       {What: lostTrust, Undo: "createTrust"},
		"deleteSystemTrust": {What: lostTrust, Undo: "createSystemTrust"},
		"deleteMyToken":     {What: lostToken}, "deleteToken": {What: lostToken},
		"deleteImmutableRule": {What: "Tags that it alone kept can be moved and deleted.", Undo: "addImmutableRule"},
		"deleteQuota":         {What: "The default limit holds for the project.", Undo: "setQuota"},
		"deleteRetentionRule": {What: "What the rule alone kept goes with the next run.", Undo: "addRetentionRule"},
		"runRetention":        {What: "What previewRetention lists is deleted.", Undo: "restore"},
		"releaseFormerName":   {What: "Pulls by the former name fail, and others may take it."},
		"deleteDatabase":      {What: "Images are matched against it no more.", Undo: "importDatabase"},
		"deleteScanner": {
			What: "Its address and credential are forgotten; one that a project has chosen is refused.",
		},
		"deleteException":          {What: lostException, Undo: "setException"},
		"deleteExceptionOfProject": {What: lostException, Undo: "setExceptionOfProject"},
		"deleteProxy": {
			What: "What it holds stays, in an ordinary project; the other registry's address and " +
				"password are forgotten.",
		},
		"deleteEndpoint": {What: "Its address and password are forgotten; nothing there changes."},
		"deleteReplicationRule": {
			What: "It copies nothing more, and its runs are forgotten. What it has copied stays.",
		},
		"deleteWebhook": {
			What: "The address hears of nothing any more, what waits to be delivered is not, and its " +
				"secret is gone.",
		},
		"deleteSigningKey": {
			What: "Images that it alone has signed are not pulled any more where signatures are " +
				"required.", Undo: "addSigningKey",
		},
	}
}
