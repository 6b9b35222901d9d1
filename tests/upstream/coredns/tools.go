// Pins the DNS server that runs inside the images of the conformance suite; see ../build.py.

//go:build tools

package upstream

import (
	_ "github.com/coredns/coredns"
)
