package network_test

import (
	"cove/network"
	"cove/network/resolve"
)

var _ = network.AnswerWith(resolve.Serve)
