#include "server/wire/http/tls.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "kv/base/check.h"
#include "kv/base/clock.h"
#include "kv/base/log.h"
#include "kv/base/mutex.h"
#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "server/wire/http/openssl_ptr.h"
#include "server/wire/http/pem_files.h"
#include "server/wire/http/socket_bio.h"
#include "server/wire/http/tls_credentials.h"

namespace socle::server::http {
namespace {

// What tells one version of a file from the next; all zero when there is none.
struct FileStamp {
  dev_t device = 0;
  ino_t inode = 0;
  off_t size = 0;
  int64_t modified_nanos = 0;
  int64_t changed_nanos = 0;

  bool operator==(const FileStamp&) const = default;
};

int64_t NanosOf(const timespec& time) {
  return time.tv_sec * kNanosPerSecond + time.tv_nsec;
}

FileStamp StampOf(const std::string& path) {
  struct stat found {};

  if (path.empty() || ::stat(path.c_str(), &found) != 0) {
    return {};
  }
  return {found.st_dev, found.st_ino, found.st_size, NanosOf(found.st_mtim),
          NanosOf(found.st_ctim)};
}

using FileStamps = std::array<FileStamp, 4>;

std::string PeerText(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) {
    return "gone";
  }
  std::array<char, INET6_ADDRSTRLEN> text{};
  const auto* const v4 = reinterpret_cast<const sockaddr_in*>(&storage);
  const auto* const v6 = reinterpret_cast<const sockaddr_in6*>(&storage);
  if (storage.ss_family == AF_INET) {
    ::inet_ntop(AF_INET, &v4->sin_addr, text.data(), text.size());
    return fmt::format("{}:{}", text.data(), ntohs(v4->sin_port));
  }
  if (storage.ss_family == AF_INET6) {
    ::inet_ntop(AF_INET6, &v6->sin6_addr, text.data(), text.size());
    return fmt::format("[{}]:{}", text.data(), ntohs(v6->sin6_port));
  }
  return "unix";
}

// Lets a few lines a minute through and counts the others. Thread-safe.
class RejectionLog {
 public:
  void Note(const std::string& peer, const char* server_name, std::string_view error) {
    const std::optional<uint64_t> left_out = TakeLine();
    if (left_out.has_value()) {
      LogWarning("rejected connection", {{"remote-addr", peer},
                                         {"server-name", server_name != nullptr ? server_name : ""},
                                         {"error", error},
                                         {"left-out-before", *left_out}});
    }
  }

 private:
  // How many were left out before this line; nullopt: this one is too.
  std::optional<uint64_t> TakeLine() {
    MutexLock lock(&mu_);
    const int64_t now = Clock::Real()->MonotonicNanos();
    if (lines_ == 0 || now - since_nanos_ >= kWindowNanos) {
      since_nanos_ = now;
      lines_ = 0;
    }
    if (++lines_ > kLinesMax) {
      PROBE("tls: more rejections than log lines");
      ++left_out_;
      return std::nullopt;
    }
    return std::exchange(left_out_, 0);
  }

  static constexpr int64_t kWindowNanos = 60 * kNanosPerSecond;
  static constexpr int kLinesMax = 10;

  Mutex mu_;
  int64_t since_nanos_ ABSL_GUARDED_BY(mu_) = 0;
  int lines_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t left_out_ ABSL_GUARDED_BY(mu_) = 0;
};

class OpenSslContext final : public TlsContext {
 public:
  using Credentials = std::shared_ptr<const TlsCredentials>;

  OpenSslContext(TlsFiles files, TlsPolicy policy)
      : files_(std::move(files)), policy_(std::move(policy)) {}

  absl::Status Open() {
    const FileStamps stamps = Stamps();
    ASSIGN_OR_RETURN(Credentials loaded, TlsCredentials::Load(files_, policy_));
    MutexLock lock(&mu_);
    current_ = std::move(loaded);
    stamps_ = stamps;
    return absl::OkStatus();
  }

  // Read again when a file has changed (law 4). One thread reads, the others go on with what there is.
  Credentials Current() {
    const FileStamps stamps = Stamps();
    {
      MutexLock lock(&mu_);
      const bool is_known_bad =
          stamps == bad_stamps_ && Clock::Real()->MonotonicNanos() < retry_nanos_;
      if (stamps == stamps_ || is_loading_ || is_known_bad) {
        return current_;
      }
      is_loading_ = true;
    }
    absl::StatusOr<Credentials> loaded = TlsCredentials::Load(files_, policy_);
    MutexLock lock(&mu_);
    is_loading_ = false;
    if (loaded.ok()) {
      LogInfo("certificates were read again", {{"certificate", files_.certificate_chain}});
      current_ = *std::move(loaded);
      // As they were before they were read: a change meanwhile is seen by the next handshake.
      stamps_ = stamps;
      return current_;
    }
    PROBE("tls: changed files that can't be used");
    if (stamps != bad_stamps_) {
      LogWarning("changed certificates can't be used: the last good ones stay",
                 {{"error", MessageOf(loaded.status())}});
    }
    bad_stamps_ = stamps;
    retry_nanos_ = Clock::Real()->MonotonicNanos() + kRetryNanos;
    return current_;
  }

  const std::shared_ptr<RejectionLog>& rejections() const { return rejections_; }

 private:
  static constexpr int64_t kRetryNanos = kNanosPerSecond;

  FileStamps Stamps() const {
    return {StampOf(files_.certificate_chain), StampOf(files_.private_key),
            StampOf(files_.client_authorities), StampOf(files_.revoked)};
  }

  const TlsFiles files_;
  const TlsPolicy policy_;
  const std::shared_ptr<RejectionLog> rejections_ = std::make_shared<RejectionLog>();
  Mutex mu_;
  Credentials current_ ABSL_GUARDED_BY(mu_);
  FileStamps stamps_ ABSL_GUARDED_BY(mu_);
  FileStamps bad_stamps_ ABSL_GUARDED_BY(mu_);
  int64_t retry_nanos_ ABSL_GUARDED_BY(mu_) = 0;
  bool is_loading_ ABSL_GUARDED_BY(mu_) = false;
};

class TlsStream final : public ByteStream {
 public:
  TlsStream(OpenSslContext* context, int fd, OpenSslPtr<BIO> bio)
      : credentials_(context->Current()),
        rejections_(context->rejections()),
        ssl_(credentials_->NewSsl()),
        fd_(fd),
        peer_(PeerText(fd)) {
    CHECK(ssl_ != nullptr);
    SSL_set_app_data(ssl_.get(), &refusal_);
    BIO* const owned_by_ssl = bio.release();
    SSL_set_bio(ssl_.get(), owned_by_ssl, owned_by_ssl);
    SSL_set_accept_state(ssl_.get());
  }

  ~TlsStream() override {
    if (!is_broken_ && !has_shaken_hands_ && has_heard()) {
      rejections_->Note(peer_, server_name(), "the handshake was not finished in time");
    }
    ::close(fd_);
  }

  int fd() const override { return fd_; }

  Result Read(std::span<char> into) override {
    if (const Result shaken = ShakeHands(); shaken.state != State::kDone) {
      return shaken;
    }
    const int size = static_cast<int>(std::min<size_t>(into.size(), INT_MAX));
    return ResultOf(SSL_read(ssl_.get(), into.data(), size));
  }

  Result Write(std::string_view bytes) override {
    if (const Result shaken = ShakeHands(); shaken.state != State::kDone) {
      return shaken;
    }
    const int size = static_cast<int>(std::min<size_t>(bytes.size(), INT_MAX));
    return ResultOf(SSL_write(ssl_.get(), bytes.data(), size));
  }

  void EndWriting() override {
    if (!is_broken_) {
      SSL_shutdown(ssl_.get());
      ERR_clear_error();
    }
    ::shutdown(fd_, SHUT_WR);
  }

  bool has_buffered() const override { return !is_broken_ && SSL_pending(ssl_.get()) > 0; }

  std::string_view protocol() const override {
    const unsigned char* name = nullptr;
    unsigned int size = 0;
    SSL_get0_alpn_selected(ssl_.get(), &name, &size);
    return {reinterpret_cast<const char*>(name), size};
  }

  std::string_view peer_name() override {
    // Without SSL_VERIFY_PEER no certificate is asked for, so that none was seen unverified.
    if (!has_peer_name_ && has_shaken_hands_) {
      has_peer_name_ = true;
      const X509* const certificate = SSL_get0_peer_certificate(ssl_.get());
      if (certificate != nullptr && SSL_get_verify_result(ssl_.get()) == X509_V_OK) {
        peer_name_ = CommonNameOf(*certificate);
      }
    }
    return peer_name_;
  }

  bool is_encrypted() const override { return true; }

 private:
  // Apart from reading: an error afterwards makes OpenSSL forget that it was ever done.
  Result ShakeHands() {
    if (has_shaken_hands_) {
      return {};
    }
    const Result result = ResultOf(SSL_do_handshake(ssl_.get()));
    has_shaken_hands_ = result.state == State::kDone;
    return result;
  }

  Result ResultOf(int done) {
    if (done > 0) {
      return {.bytes = static_cast<size_t>(done)};
    }
    const int error = SSL_get_error(ssl_.get(), done);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
      ERR_clear_error();
      return {.state = State::kAgain, .wants_write = error == SSL_ERROR_WANT_WRITE};
    }
    if (!is_broken_ && !has_shaken_hands_ && has_heard()) {
      rejections_->Note(peer_, server_name(), WhyBroken());
    }
    ERR_clear_error();
    is_broken_ = true;
    return {.state = State::kClosed};
  }

  bool has_heard() const { return BIO_number_read(SSL_get_rbio(ssl_.get())) > 0; }

  const char* server_name() const {
    return SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name);
  }

  std::string WhyBroken() const {
    if (!refusal_.empty()) {
      return refusal_;
    }
    const char* const reason = ERR_reason_error_string(ERR_peek_error());
    return reason != nullptr ? reason : "the client hung up in the middle of the handshake";
  }

  const std::shared_ptr<const TlsCredentials> credentials_;
  const std::shared_ptr<RejectionLog> rejections_;
  std::string refusal_;  // of the client's certificate, by the credentials
  const OpenSslPtr<SSL> ssl_;
  const int fd_;
  const std::string peer_;  // asked for at once: a socket that was reset has none
  bool is_broken_ = false;
  bool has_shaken_hands_ = false;
  bool has_peer_name_ = false;  // looked for after the handshake
  std::string peer_name_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<TlsContext>> TlsContext::Make(const TlsFiles& files,
                                                             const TlsPolicy& policy) {
  auto context = std::make_shared<OpenSslContext>(files, policy);
  if (absl::Status opened = context->Open(); !opened.ok()) {
    return opened;
  }
  return context;
}

std::unique_ptr<ByteStream> MakeTlsStream(TlsContext* context, int fd) {
  return std::make_unique<TlsStream>(static_cast<OpenSslContext*>(context), fd, MakeSocketBio(fd));
}

}  // namespace socle::server::http
