// swift-tools-version: 6.2
import PackageDescription

// The dependency directions below are law: `make check` reads them (DESIGN section 3).

let swift: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// The shim is linked as a static, non-PIE executable: 0.1 MB of anonymous memory instead of 0.4 MB.
let staticExecutable = ["-static-executable"]

func room(_ room: String, _ name: String, _ dependencies: [Target.Dependency] = [], exclude: [String] = []) -> Target {
    .target(name: name, dependencies: dependencies, path: "Sources/\(room)/\(name)", exclude: exclude, swiftSettings: swift)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, path: "Tests/\(name)", exclude: exclude, swiftSettings: swift)
}

let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioWebSocket = Target.Dependency.product(name: "NIOWebSocket", package: "swift-nio")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let nioHTTP2 = Target.Dependency.product(name: "NIOHTTP2", package: "swift-nio-http2")
let asyncHTTPClient = Target.Dependency.product(name: "AsyncHTTPClient", package: "async-http-client")
let x509 = Target.Dependency.product(name: "X509", package: "swift-certificates")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let asn1 = Target.Dependency.product(name: "SwiftASN1", package: "swift-asn1")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let deque = Target.Dependency.product(name: "DequeModule", package: "swift-collections")

let package = Package(
    name: "swiftlet",
    products: [
        .executable(name: "swiftlet", targets: ["swiftlet"]),
        .executable(name: "swiftlet-shim", targets: ["swiftlet-shim"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-nio-http2", from: "1.46.0"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-asn1", from: "1.7.4"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    ],
    targets: [
        // The front door: commands, configuration, composition.
        .executableTarget(
            name: "swiftlet",
            dependencies: ["KubeAPI", "KubeTypes", "JSONTree", "KubeClient", "KubeHTTP", "ClusterTrust", "LinuxSystem", "BlockingCalls", "Netlink", "Cgroups", "Images", "Runtime", "PodNetwork",
                           "ServiceProxy", "ClusterDNS", "Kubelet", "NodeBootstrap", "Storage", "APIServer", "Scheduler", "Controllers", "ControlPlane", arguments, logging, yams],
            path: "Sources/swiftlet", swiftSettings: swift),

        // Kube: the API and the ways to speak it.
        room("Kube", "JSONTree"),
        room("Kube", "PercentEncoding"),
        room("Kube", "KubeAPI", ["JSONTree"], exclude: ["Schema"]),
        room("Kube", "KubeTypes", ["KubeAPI", "JSONTree"]),
        room("Kube", "ClusterTrust", ["KubeAPI", "JSONTree", x509, crypto, asn1]),
        .systemLibrary(name: "CZlib", path: "Sources/Kube/CZlib", providers: [.apt(["zlib1g-dev"])]),
        room("Kube", "KubeHTTP", ["CZlib", nioCore, nioPosix, nioHTTP1, nioHTTP2, nioWebSocket, nioSSL, x509, crypto, asn1, logging, "PercentEncoding"]),
        room("Kube", "KubeClient", ["KubeAPI", "KubeTypes", "JSONTree", "PercentEncoding", asyncHTTPClient, nioCore, nioPosix, nioHTTP1, nioSSL, nioWebSocket, logging, deque, yams]),
        .executableTarget(
            name: "swiftlet-schema", dependencies: ["KubeAPI", "JSONTree", yams, arguments], path: "Sources/Kube/swiftlet-schema", swiftSettings: swift),

        // Linux: the kernel, one module for each of its interfaces.
        .target(name: "CLinux", path: "Sources/Linux/CLinux"),
        .systemLibrary(name: "CCap", path: "Sources/Linux/CCap", providers: [.apt(["libcap-dev"])]),
        .systemLibrary(name: "CSeccomp", path: "Sources/Linux/CSeccomp", providers: [.apt(["libseccomp-dev"])]),
        room("Linux", "LinuxSystem", ["CLinux"]),
        room("Linux", "BlockingCalls", ["LinuxSystem"]),
        room("Linux", "Cgroups", ["LinuxSystem", "CLinux"]),
        room("Linux", "Seccomp", ["LinuxSystem", "CSeccomp"]),
        room("Linux", "Netlink", ["LinuxSystem", "CLinux"]),

        // Node: images, containers, pods.
        .systemLibrary(name: "CArchive", path: "Sources/Node/CArchive", providers: [.apt(["libarchive-dev", "zlib1g-dev", "libzstd-dev"])]),
        room("Node", "OCISpec", ["JSONTree"]),
        room("Node", "Images", ["OCISpec", "JSONTree", "LinuxSystem", "BlockingCalls", "CArchive", crypto, logging]),
        room("Node", "ShimProtocol", ["LinuxSystem"]),
        .executableTarget(
            name: "swiftlet-shim", dependencies: ["ShimProtocol", "LinuxSystem", "Cgroups", "CLinux"],
            path: "Sources/Node/swiftlet-shim",
            swiftSettings: swift + [.unsafeFlags(staticExecutable)],
            // Stripped: two thirds of it are symbols that nobody reads on a node.
            linkerSettings: [.unsafeFlags(staticExecutable), .unsafeFlags(["-Xlinker", "-s"], .when(configuration: .release))]),
        room("Node", "NodeBootstrap", ["KubeAPI", "KubeTypes", "JSONTree", "KubeClient", "ClusterTrust", "LinuxSystem", logging]),
        room("Node", "PodNetwork", ["KubeAPI", "KubeTypes", "KubeClient", "Netlink", "LinuxSystem", logging, "BlockingCalls"]),
        room("Node", "ClusterDNS", ["LinuxSystem", "KubeTypes", "KubeAPI", "KubeClient", "JSONTree", nioCore, nioPosix, logging]),
        room("Node", "ServiceProxy", ["Netlink", "LinuxSystem", "KubeTypes", "KubeAPI", "KubeClient", "JSONTree", logging]),
        room("Node", "Runtime", ["Images", "OCISpec", "ShimProtocol", "LinuxSystem", "BlockingCalls", "Cgroups", "Seccomp", "CCap", "CLinux", "JSONTree", logging]),
        room("Node", "Kubelet", ["Runtime", "KubeAPI", "KubeTypes", "JSONTree", "KubeClient", "KubeHTTP", "LinuxSystem", "BlockingCalls", asyncHTTPClient, nioCore, nioPosix, nioHTTP1, nioSSL, logging]),

        // ControlPlane: nothing here imports Linux or Node.
        room("ControlPlane", "Storage", [grdb, logging, deque]),
        room("ControlPlane", "APIServer", ["Storage", "KubeAPI", "JSONTree", "KubeHTTP", "ClusterTrust", nioCore, nioHTTP1, crypto, logging, deque, yams]),
        room("ControlPlane", "Scheduler", ["KubeAPI", "KubeTypes", "JSONTree", "KubeClient", logging]),
        room("ControlPlane", "Controllers", ["KubeAPI", "KubeTypes", "JSONTree", "KubeClient", "ClusterTrust", logging]),
        room("ControlPlane", "ControlPlane", ["Storage", "APIServer", "Scheduler", "Controllers", "ClusterTrust", "KubeAPI", "KubeTypes", "JSONTree", "KubeClient", "KubeHTTP", nioHTTP1, x509, crypto, asn1, logging]),

        // Measures the runtime beside crun and runc.
        .executableTarget(
            name: "swiftlet-bench", dependencies: ["Runtime", "Images", "LinuxSystem", "Cgroups", "Seccomp", "JSONTree", logging],
            path: "Benchmarks/runtime", swiftSettings: swift),

        // Measures the service proxy against the kernel, in a network namespace of its own.
        .executableTarget(
            name: "swiftlet-bench-services", dependencies: ["ServiceProxy", "Netlink", "LinuxSystem", logging],
            path: "Benchmarks/services", swiftSettings: swift),

        // Tests: one target a module; NodeTests need root, EndToEndTests need root and kubectl.
        tests("JSONTreeTests", ["JSONTree"]),
        tests("KubeAPITests", ["KubeAPI", "JSONTree"]),
        tests("KubeTypesTests", ["KubeTypes", "KubeAPI", "JSONTree"]),
        .target(name: "TestAuthority", dependencies: ["KubeHTTP", x509, crypto, asn1], path: "Tests/TestAuthority", swiftSettings: swift),
        tests("PercentEncodingTests", ["PercentEncoding"]),
        tests("KubeHTTPTests", ["KubeHTTP", "TestAuthority", nioCore, nioHTTP1, nioSSL, nioPosix, x509, crypto, asn1, asyncHTTPClient, logging]),
        tests("KubeClientTests", ["KubeClient", "KubeAPI", "KubeTypes", "JSONTree", "KubeHTTP", "TestAuthority", nioHTTP1, logging]),
        tests("LinuxSystemTests", ["LinuxSystem", "CLinux"]),
        tests("BlockingCallsTests", ["BlockingCalls", "LinuxSystem"]),
        tests("CgroupsTests", ["Cgroups", "LinuxSystem"]),
        tests("SeccompTests", ["Seccomp", "LinuxSystem"]),
        tests("NetlinkTests", ["Netlink", "LinuxSystem"]),
        tests("OCISpecTests", ["OCISpec", "JSONTree"]),
        tests("ImagesTests", ["Images", "OCISpec", "LinuxSystem", "BlockingCalls", "JSONTree", "CArchive", crypto, logging]),
        tests("ShimProtocolTests", ["ShimProtocol", "LinuxSystem"]),
        tests("PodNetworkTests", ["PodNetwork", "KubeAPI", "Netlink", "LinuxSystem"]),
        tests("ClusterDNSTests", ["ClusterDNS", "KubeClient", "KubeTypes", "KubeAPI", "JSONTree", nioCore, nioPosix, logging]),
        tests("ServiceProxyTests", ["ServiceProxy", "Netlink", "LinuxSystem", "KubeClient", "KubeTypes", "KubeAPI", "JSONTree", logging]),
        tests("RuntimeTests", ["Runtime", "ShimProtocol", "LinuxSystem", "BlockingCalls", "Cgroups", "Images", "OCISpec", "JSONTree"]),
        tests("KubeletTests", ["Kubelet", "Runtime", "KubeAPI", "KubeTypes", "JSONTree", "KubeClient", "KubeHTTP", nioCore, nioPosix, nioHTTP1, logging]),
        tests("StorageTests", ["Storage"]),
        tests("ClusterTrustTests", ["ClusterTrust", "TestAuthority", "KubeAPI", "JSONTree"]),
        tests("APIServerTests", ["APIServer", "Storage", "KubeAPI", "JSONTree", "KubeHTTP", "ClusterTrust", "TestAuthority", nioHTTP1]),
        tests("SchedulerTests", ["Scheduler", "KubeAPI", "KubeTypes", "JSONTree", "KubeClient"]),
        tests("ControllersTests", ["ClusterTrust", "TestAuthority", x509, asn1, "Controllers", "ControlPlane", "APIServer", "Storage", "KubeAPI", "KubeTypes", "JSONTree", "KubeClient", "KubeHTTP", logging]),
        tests("ControlPlaneTests", [asn1, "ControlPlane", "Storage", "APIServer", "Controllers", "KubeAPI", "KubeTypes", "JSONTree", "KubeClient", "KubeHTTP", x509, logging]),
        tests("NodeBootstrapTests", ["NodeBootstrap", "ClusterTrust", "TestAuthority", "ControlPlane", "Controllers", "APIServer", "Storage", "KubeAPI", "KubeTypes", "JSONTree", "KubeClient", "KubeHTTP", x509, asn1, logging]),
        tests("NodeTests", ["KubeAPI", "KubeTypes", "KubeClient", "Kubelet", "Runtime", "Images", "OCISpec", "ShimProtocol", "LinuxSystem", "Cgroups", "Seccomp", "Netlink", "PodNetwork", "ServiceProxy", "JSONTree", logging]),
        tests("EndToEndTests", ["LinuxSystem", "JSONTree", "KubeClient", "KubeTypes", "KubeAPI"], exclude: ["Clients"]),
    ]
)
