// SocketBio: a socket as OpenSSL reads and writes it, without SIGPIPE, whatever the program does about signals.
//
// Threads  confined to the connection's loop.
#ifndef SOCLE_SERVER_WIRE_HTTP_SOCKET_BIO_H_
#define SOCLE_SERVER_WIRE_HTTP_SOCKET_BIO_H_

#include "server/wire/http/openssl_ptr.h"

namespace socle::server::http {

// The socket stays its caller's.
OpenSslPtr<BIO> MakeSocketBio(int fd);

}  // namespace socle::server::http

#endif  // SOCLE_SERVER_WIRE_HTTP_SOCKET_BIO_H_
