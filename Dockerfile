# One gateway. The base brings Node 24; nothing is compiled: Node runs the TypeScript sources as they are.
FROM node:24.21.0-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --no-audit --no-fund && npm cache clean --force
COPY src ./src
COPY profiles ./profiles
RUN mkdir /data /consortium && chown node:node /data /consortium
USER node
VOLUME ["/data", "/consortium"]
EXPOSE 8080
ENTRYPOINT ["node", "--max-semi-space-size=16", "--disable-warning=ExperimentalWarning", "src/cli/main.ts"]
CMD ["start", "--config", "/etc/concordat/config.yaml"]
